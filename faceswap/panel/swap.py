"""A face, a photo, options with a live preview, and the result as a file."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from faceswap.find.landmarkers import Landmarker, landmarks_name, make_landmarker
from faceswap.jobs.sheet import before_after, fit_within
from faceswap.media.images import Picture, check_output, read_picture, with_pixels, write_picture
from faceswap.options import Options
from faceswap.panel.options import NARROW, OptionControls, command_html, plain_command
from faceswap.panel.photo import THUMBNAIL, FaceChoice
from faceswap.panel.preview import Preview
from faceswap.panel.upload import Upload
from faceswap.swap import Swapper, describe
from graphs.silence import silent_libraries
from panels.messages import Message
from panels.pages import Panel, Shown
from panels.parts import Fixed, ImageView, button, observe, wrapped
from panels.pictures import to_jpeg
from provenance import GENERATED, Mark, read_mark, write_image


def example_photo() -> str:
    """Path of a portrait that comes with scikit-image (an astronaut; NASA, public domain)."""
    import skimage

    return str(Path(skimage.__file__).parent / "data" / "astronaut.png")


class Swap(Panel):
    """Puts a face onto a photo, previewing it while options move.

    A face comes from `set_face` (such as `faces.on_face`), an upload or a path.

    body_path, out: boxes for the paths of photo and result, or what stands in for them; message: tells what was done;
    check(name, content): ValueError for an upload that is not taken; landmarker: finds faces; MediaPipe Face Mesh when
    not given.
    """

    def __init__(
        self,
        body_path: widgets.Text | Fixed,
        out: widgets.Text | Fixed,
        message: Message,
        check: Callable[[str, bytes], Any] = lambda name, content: None,
        landmarker: Landmarker | None = None,
    ):
        self.body_path, self.out, self.message = body_path, out, message
        self.landmarker = landmarker or make_landmarker()
        self.face: np.ndarray | None = None
        self.face_settings: Mapping[str, Any] | None = None
        self.face_path: str | None = None
        self.swapper: Swapper | None = None
        self.target: Picture | None = None
        self.taken = ""  # path of the photo in work
        self.listeners: list[Callable[[], Any]] = []
        layout = widgets.Layout(height=f"{THUMBNAIL}px", object_fit="contain", align_self="flex-start")
        self.face_image = ImageView(format="jpeg", layout=layout)
        self.face_upload = Upload("face", lambda: out.value, self._take_face_file, check, self.attempt)
        self.body_upload = Upload("photo", lambda: out.value, self._take_body, check, self.attempt)
        self.choice = FaceChoice(lambda: self.attempt(self._cut))
        self.controls = OptionControls(lambda: self.attempt(self.draw))
        self.preview = Preview(lambda: self.attempt(self._cut))
        self.sheet = widgets.Checkbox(description="also before and after side by side", indent=False)
        self.save_button = button("Save", lambda: self.attempt(self.save), "download", "success")
        super().__init__()
        self.add_class("ruf-swap")

    def arrange(self, choice: Sequence[widgets.Widget], below: Sequence[widgets.Widget]) -> None:
        """Shows the parts, with what chooses a photo below it and with what takes the result along."""
        face_parts = [widgets.HTML("<b>Face</b>"), self.face_image, self.face_upload]
        body_parts = [widgets.HTML("<b>Photo</b>"), self.choice, wrapped(*choice)]
        columns = [widgets.VBox(part, layout={"align_items": "flex-start"}) for part in (face_parts, body_parts)]
        rows = [wrapped(*columns, gap=16), wrapped(self.controls, self.preview, gap=16)]
        self.children = [*rows, *below, self.message]

    def attempt(self, work: Callable[[], Any]) -> None:
        """Does something, telling in the panel what went wrong."""
        self.message.say("")
        with silent_libraries():
            self.message.attempt(work)

    def set_face(self, picture: np.ndarray, settings: Mapping[str, Any] | None = None) -> None:
        """Takes a generated face, uint8 [R, R, 3] RGB, and how it was made; problems are told in the panel."""
        self.attempt(lambda: self._take_face(picture, settings, None))

    def use_face(self, path: str | Path) -> None:
        """Takes the face in a picture file; problems are told in the panel."""
        self.attempt(lambda: self._take_face_file(path))

    def _take_face_file(self, path: str | Path) -> None:
        mark = read_mark(path)
        self._take_face(read_picture(path).rgb, mark.settings if mark else None, str(path))

    def _take_face(self, picture: np.ndarray, settings: Mapping[str, Any] | None, path: str | None) -> None:
        self.face_image.value = to_jpeg(fit_within(picture, THUMBNAIL, THUMBNAIL))
        self.face, self.face_settings, self.face_path, self.swapper = picture, settings, path, None
        self.swapper = Swapper(picture, self.options(), self.landmarker)
        self.draw()

    def set_body(self, path: str | Path) -> None:
        """Takes the photo in a file and finds its faces; problems are told in the panel."""
        self.attempt(lambda: self._take_body(Path(path)))

    def _take_body(self, path: Path) -> None:
        target = read_picture(path)
        found = self.landmarker.find(target.rgb)  # what fails leaves the photo before it in work
        self.target, self.taken = target, str(path)
        self.body_path.value = self.taken
        self.choice.offer(target.rgb, found)
        self._cut()
        if not found:
            raise ValueError(f"{path}: no face found in the photo to put the face into")

    def options(self) -> Options:
        """What the controls say."""
        return self.controls.options()

    def _cut(self) -> None:
        """Prepares the preview after another photo, choice of faces or zoom."""
        if self.target is not None:
            self.choice.draw()
            self.preview.cut(self.target.rgb, self.choice.chosen_faces())
            self.draw()

    def draw(self) -> None:
        """Draws the preview with the options of the moment."""
        view = self.preview.view
        if view is None:
            return
        after = view.image
        if self.swapper is not None:
            self.swapper.options = self.options()
            after = self.swapper.swap(view.image, view.faces)
        self.preview.show(after, self.as_text())
        if self.swapper is not None:
            for callback in self.listeners:
                callback()

    def on_change(self, callback: Callable[[], Any]) -> None:
        """Calls back after another face, photo or option."""
        self.listeners.append(callback)

    def face_file(self) -> Path:
        """Where the face is, or will be with the result."""
        out = Path(self.out.value)
        return Path(self.face_path) if self.face_path else out.with_name(f"{out.stem}-face.png")

    def write_face(self) -> Path:
        """Path of the face's file, which is written beside the result when the face was generated."""
        if self.swapper is None:
            raise ValueError("choose a face first")
        path = self.face_file()
        if self.face_path is None:
            write_image(path, self.face, Mark(GENERATED, dict(self.face_settings or {})))
        return path

    def save(self) -> list[Path]:
        """Writes the result at full size (and a generated face beside it); returns the paths."""
        if self.swapper is None or self.target is None:
            raise ValueError("choose a face and a photo first")
        out = Path(self.out.value)
        sheet = out.with_name(f"{out.stem}-before_after.jpg")
        paths = [out, *[self.face_file()] * (self.face_path is None), *[sheet] * self.sheet.value]
        for path in paths:
            check_output(path, (self.taken, self.face_path or ""))
        face, faces, options = self.write_face(), self.choice.chosen_faces(), self.options()
        self.swapper.options = options
        result = self.swapper.swap(self.target.rgb, faces)
        name = landmarks_name(self.landmarker)
        settings = describe(face, self.taken, options, len(faces), self.choice.which(), landmarks=name)
        write_picture(out, with_pixels(self.target, result), settings)
        if self.sheet.value:
            write_picture(sheet, Picture(before_after(self.target.rgb, result, self.face)), settings)
        self.message.say("written: " + ", ".join(map(str, paths)))
        return paths

    def shown(self) -> Shown:
        """Photo and preview side by side, as text and picture."""
        view, after = self.preview.view, self.preview.after
        if after is None:
            return Shown(self.as_text())
        face = np.full((8, 8, 3), 255, np.uint8) if self.face is None else self.face
        return Shown(self.as_text(), before_after(view.image, after, face))

    def as_text(self) -> str:
        """What is swapped."""
        if self.target is None:
            return "no photo yet"
        height, width = self.target.rgb.shape[:2]
        faces = f"{len(self.choice.chosen())} of {len(self.choice.found)} faces"
        face = "with the face above" if self.swapper is not None else "no face to put in yet"
        return f"{Path(self.taken).name}: {width} x {height}, {faces}, {face}"


class SwapPanel(Swap):
    """A swap whose user sees paths, and the plain command that does the same.

    body: path of the photo; out: the file to write; landmarker: as of `Swap`.
    """

    def __init__(self, body: str = "", out: str = "results/output.jpg", landmarker: Landmarker | None = None):
        path = widgets.Text(
            str(body), placeholder="path of a photo", continuous_update=False, layout={"width": "420px"}
        )
        to = widgets.Text(str(out), description="save as", style=NARROW, layout={"width": "340px"})
        super().__init__(path, to, Message(), landmarker=landmarker)
        self.command_text = widgets.HTML()
        save = wrapped(self.out, self.sheet, self.save_button, gap=16)
        self.arrange([path, self.body_upload], [save, self.command_text])
        observe([path], self._body_typed)
        self.on_change(self._show_command)
        if body:
            self.set_body(body)

    def _body_typed(self) -> None:
        if self.body_path.value != self.taken:
            self.set_body(self.body_path.value)

    def _show_command(self) -> None:
        """Shows the plain command that does the same."""
        which = self.choice.which()
        note = " (which swaps all faces, or one with --face)" if isinstance(which, list) else ""
        face = ["--face", str(which)] if isinstance(which, int) else []
        files = {"--src": self.face_file(), "--dst": self.taken, "--out": self.out.value}
        name = landmarks_name(self.landmarker)
        command = plain_command("faceswap/main.py", files, self.options(), name, "--no_debug_window", *face)
        self.command_text.value = command_html(command, note)

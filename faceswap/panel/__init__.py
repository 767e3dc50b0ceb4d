"""The widgets of notebooks/Swap.ipynb: a face, a photo, options with a live preview, and the result as a file."""

from __future__ import annotations

import dataclasses
import html
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from faceswap.find.landmarkers import landmarks_name, make_landmarker
from faceswap.find.landmarks import Landmarker, silent_libraries
from faceswap.jobs.sheet import before_after, fit_within
from faceswap.media.images import (
    PHOTO_SUFFIXES,
    Picture,
    check_output,
    decode_picture,
    read_picture,
    with_pixels,
    write_picture,
)
from faceswap.panel.command import NARROW, command_html, option_control, plain_command
from faceswap.panel.preview import View, make_view, number_faces, wipe
from faceswap.shape.regions import box_of
from faceswap.swap import Options, Swapper, describe
from panels import ImageView, Message, OnMainThread, Panel, Shown, to_jpeg
from provenance import GENERATED, Mark, read_mark, whole_file, write_image

THUMBNAIL = 220  # side, pixels
SMALLEST_PICK = 24  # side of what is clicked for a face, pixels


def example_photo() -> str:
    """Path of a portrait that comes with scikit-image (an astronaut; NASA, public domain)."""
    import skimage

    return str(Path(skimage.__file__).parent / "data" / "astronaut.png")


class SwapPanel(Panel):
    """Puts a face onto a photo, previewing it while options move.

    body: path of the photo; out: the file to write. A face comes from `set_face` (such as `faces.on_face`), an upload
    or a path. landmarker: finds faces; MediaPipe Face Mesh when not given.
    """

    def __init__(self, body: str = "", out: str = "results/output.jpg", landmarker: Landmarker | None = None):
        self.landmarker = landmarker or make_landmarker()
        self.face: np.ndarray | None = None
        self.face_settings: Mapping[str, Any] | None = None
        self.face_path: str | None = None
        self.swapper: Swapper | None = None
        self.target: Picture | None = None
        self.taken = ""  # path of the photo in work
        self.pick_places: tuple = ()  # photo and width that the buttons over faces are made for
        self.found: list[np.ndarray] = []
        self.view: View | None = None
        self.after: np.ndarray | None = None
        self.listeners: list[Callable[[], Any]] = []
        self._build(str(body), str(out))
        super().__init__(self._rows())
        self.add_class("ruf-swap")
        if body:
            self.set_body(body)

    def _build(self, body: str, out: str) -> None:
        """Makes the widgets and says what each of them sets off."""
        self.message, self.caption, self.command_text = self._make_message(), widgets.HTML(), widgets.HTML()
        picture = widgets.Layout(height=f"{THUMBNAIL}px", object_fit="contain", align_self="flex-start")
        self.face_image = ImageView(format="jpeg", layout=picture)
        self.body_image = ImageView(format="jpeg", layout=widgets.Layout(height=f"{THUMBNAIL}px"))
        accept = ",".join(PHOTO_SUFFIXES)
        auto = widgets.Layout(width="auto")
        self.face_upload = widgets.FileUpload(accept=accept, description="upload a face", layout=auto)
        self.body_upload = widgets.FileUpload(accept=accept, description="upload a photo", layout=auto)
        self.body_path, self.out = self._make_paths(body, out)
        self.face_upload.observe(
            OnMainThread(lambda: self._uploaded(self.face_upload, "face", self._take_face_file)), "value"
        )
        self.body_upload.observe(
            OnMainThread(lambda: self._uploaded(self.body_upload, "photo", self._take_body)), "value"
        )
        self.numbers = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        self.body_box = widgets.GridBox([self.body_image], layout=widgets.Layout(width="max-content"))
        self.controls = {f.name: option_control(f) for f in dataclasses.fields(Options)}
        redraw, recut = OnMainThread(lambda: self._try(self.draw)), OnMainThread(lambda: self._try(self._cut))
        for name, control in self.controls.items():
            control.observe(redraw, "value")
            control.add_class(f"ruf-option-{name}")
        self.recut = recut
        self.wipe = widgets.FloatSlider(0, min=0, max=1, step=0.01, description="before | after", style=NARROW)
        self.wipe.layout.width, self.wipe.readout = "420px", False
        self.wipe.tooltip = "slide a line across: before on its left, after on its right"
        self.wipe.observe(OnMainThread(self._show_preview), "value")
        self.zoom = widgets.Checkbox(description="close-up of the face", indent=False)
        self.zoom.observe(recut, "value")
        self.preview = ImageView(format="jpeg", layout=widgets.Layout(width="100%", object_fit="contain"))
        self.preview.add_class("ruf-preview")
        self.sheet = widgets.Checkbox(description="also before and after side by side", indent=False)
        self.save_button = widgets.Button(description="Save", icon="download", button_style="success")
        self.save_button.on_click(OnMainThread(lambda: self._try(self.save)))

    def _make_message(self) -> Message:
        return Message()

    def _make_paths(self, body: str, out: str) -> tuple[Any, Any]:
        """The boxes for the photo's path and for the result's."""
        wide = widgets.Layout(width="420px")
        body_path = widgets.Text(body, placeholder="path of a photo", continuous_update=False, layout=wide)
        body_path.observe(OnMainThread(self._body_typed), "value")
        return body_path, widgets.Text(out, description="save as", style=NARROW, layout=widgets.Layout(width="340px"))

    def _rows(self) -> list[widgets.Widget]:
        row = widgets.Layout(flex_flow="row wrap", grid_gap="16px")
        title = "<b>{}</b>".format
        column = widgets.Layout(align_items="flex-start")
        face = widgets.VBox([widgets.HTML(title("Face")), self.face_image, self.face_upload], layout=column)
        choice = widgets.HBox(self._choice(), layout=widgets.Layout(flex_flow="row wrap"))
        body = widgets.VBox([widgets.HTML(title("Photo")), self.body_box, self.numbers, choice], layout=column)
        options = widgets.VBox([widgets.HTML(title("Options")), *self.controls.values()])
        wide = widgets.Layout(flex="1 1 420px", max_width="720px")
        shown = widgets.VBox([widgets.HBox([self.wipe, self.zoom]), self.preview, self.caption], layout=wide)
        top, middle = widgets.HBox([face, body], layout=row), widgets.HBox([options, shown], layout=row)
        return [top, middle, *self._rows_below(), self.message]

    def _rows_below(self) -> list[widgets.Widget]:
        """What takes the result along."""
        row = widgets.Layout(flex_flow="row wrap", grid_gap="16px")
        return [widgets.HBox([self.out, self.sheet, self.save_button], layout=row), self.command_text]

    def _choice(self) -> list[widgets.Widget]:
        """What chooses a photo."""
        return [self.body_path, self.body_upload]

    def _try(self, work: Callable[[], Any]) -> None:
        """Does something, telling in the panel what went wrong."""
        try:
            self.message.value = ""
            with silent_libraries():
                work()
        except (OSError, ValueError, RuntimeError) as error:
            self.message.fail(error)

    def _uploaded(self, upload: widgets.FileUpload, kind: str, use: Callable[[Path], None]) -> None:
        """Keeps an uploaded file beside the results, so that the plain command finds it, and uses it.

        kind: names its folder. What is no picture does not replace a file of the same name, which may be in use.
        """

        def work() -> None:
            file = upload.value[0]
            path = Path(self.out.value).parent / "uploads" / kind / Path(file.name.replace("\\", "/")).name
            if path.suffix.lower() not in PHOTO_SUFFIXES:
                raise ValueError(f"{path.name}: not a picture in a known format")
            content = bytes(file.content)
            self._check_upload(path.name, content)
            decode_picture(content, path.name)
            with whole_file(path) as kept:
                kept.write(content)
            use(path)

        if upload.value:
            self._try(work)

    def _check_upload(self, name: str, content: bytes) -> None:
        """ValueError for an upload that is not taken; here everything is."""

    def set_face(self, picture: np.ndarray, settings: Mapping[str, Any] | None = None) -> None:
        """Takes a generated face, uint8 [R, R, 3] RGB, and how it was made; problems are told in the panel."""
        self._try(lambda: self._take_face(picture, settings, None))

    def use_face(self, path: str | Path) -> None:
        """Takes the face in a picture file; problems are told in the panel."""
        self._try(lambda: self._take_face_file(path))

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
        self._try(lambda: self._take_body(Path(path)))

    def _body_typed(self) -> None:
        if self.body_path.value != self.taken:
            self.set_body(self.body_path.value)

    def _take_body(self, path: Path) -> None:
        target = read_picture(path)
        found = self.landmarker.find(target.rgb)  # what fails leaves the photo before it in work
        self.target, self.found, self.taken = target, found, str(path)
        self.body_path.value = self.taken
        toggles = [widgets.ToggleButton(True, description=f"face {i}") for i in range(len(self.found))]
        for toggle in toggles:
            toggle.layout.width, toggle.tooltip = "80px", "swap this face"
            toggle.observe(self.recut, "value")
        self.numbers.children = toggles
        self._cut()
        if not self.found:
            raise ValueError(f"{path}: no face found in the photo to put the face into")

    def chosen(self) -> list[int]:
        """Numbers, from 0, of the faces to swap."""
        return [number for number, toggle in enumerate(self.numbers.children) if toggle.value]

    def which(self) -> str | int | list[int]:
        """The faces to swap as metadata name them: all, one number, or the numbers."""
        chosen = self.chosen()
        return "all" if len(chosen) == len(self.found) else chosen[0] if len(chosen) == 1 else chosen

    def options(self) -> Options:
        """What the controls say."""
        return Options(**{name: control.value for name, control in self.controls.items()})

    def _cut(self) -> None:
        """Prepares the preview after another photo, choice of faces or zoom."""
        if self.target is None:
            return
        self._show_faces()
        self.view = make_view(self.target.rgb, [self.found[i] for i in self.chosen()], self.zoom.value)
        self.draw()

    def _show_faces(self) -> None:
        """Shows the photo small with its faces numbered; a click on a face chooses it or leaves it out."""
        small = number_faces(self.target.rgb, self.found, self.chosen(), THUMBNAIL)
        height, width = small.shape[:2]
        self.body_image.value = to_jpeg(small)
        self.body_image.layout = widgets.Layout(width=f"{width}px", height=f"{height}px", margin="0", grid_area="1/1")
        scale = width / self.target.rgb.shape[1]
        if len(self.body_box.children) != len(self.found) + 1 or self.pick_places != (self.taken, width):
            self.pick_places = (self.taken, width)
            picks = [self._pick(number, box_of(points) * scale) for number, points in enumerate(self.found)]
            self.body_box.children = [self.body_image, *picks]

    def _pick(self, number: int, box: np.ndarray) -> widgets.Button:
        """An unseen button over a face of the small photo. box: (x0, y0, x1, y1) in its pixels."""
        middle, half = (box[:2] + box[2:]) / 2, np.maximum((box[2:] - box[:2]) / 2, SMALLEST_PICK / 2)
        left, top = np.maximum(middle - half, 0).round().astype(int)
        width, height = (2 * half).round().astype(int)
        button = widgets.Button(tooltip=f"face {number}: click to swap it or to leave it as it is")
        button.style.button_color = "transparent"
        button.layout = widgets.Layout(
            grid_area="1/1", margin=f"{top}px 0 0 {left}px", width=f"{width}px", height=f"{height}px", padding="0"
        )
        button.add_class("ruf-pick")
        button.on_click(lambda _: self._flip(number))
        return button

    def _flip(self, number: int) -> None:
        toggle = self.numbers.children[number]
        toggle.value = not toggle.value

    def draw(self) -> None:
        """Draws the preview with the options of the moment."""
        if self.view is None:
            return
        self.after = self.view.image
        if self.swapper is not None:
            self.swapper.options = self.options()
            self.after = self.swapper.swap(self.view.image, self.view.faces)
        self._show_preview()

    def _show_preview(self) -> None:
        if self.view is None or self.after is None:
            return
        self.preview.value = to_jpeg(wipe(self.view.image, self.after, self.wipe.value))
        self.caption.value = html.escape(self.as_text())
        self._show_command()

    def _show_command(self) -> None:
        if self.swapper is None:
            return
        which = self.which()
        note = " (which swaps all faces, or one with --face)" if isinstance(which, list) else ""
        face = "all" if note else which
        files = self.face_file(), self.taken, self.out.value
        command = plain_command(*files, self.options(), face, landmarks_name(self.landmarker))
        self.command_text.value = command_html(command, note)
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
        face, chosen, options = self.write_face(), self.chosen(), self.options()
        self.swapper.options = options
        result = self.swapper.swap(self.target.rgb, [self.found[i] for i in chosen])
        name = landmarks_name(self.landmarker)
        settings = describe(face, self.taken, options, len(chosen), self.which(), landmarks=name)
        write_picture(out, with_pixels(self.target, result), settings)
        if self.sheet.value:
            write_picture(sheet, Picture(before_after(self.target.rgb, result, self.face)), settings)
        self.message.say("written: " + ", ".join(map(str, paths)))
        return paths

    def shown(self) -> Shown:
        """Photo and preview side by side, as text and picture."""
        if self.after is None:
            return Shown(self.as_text())
        return Shown(self.as_text(), before_after(self.view.image, self.after, self.face_or_white()))

    def face_or_white(self) -> np.ndarray:
        """The face, or a white picture where there is none."""
        return np.full((8, 8, 3), 255, np.uint8) if self.face is None else self.face

    def as_text(self) -> str:
        """What is swapped."""
        if self.target is None:
            return "no photo yet"
        height, width = self.target.rgb.shape[:2]
        face = "with the face above" if self.swapper is not None else "no face to put in yet"
        return f"{Path(self.taken).name}: {width} x {height}, {len(self.chosen())} of {len(self.found)} faces, {face}"

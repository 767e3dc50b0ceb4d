"""A video: any frame previewed by a slider, then swapped with progress and Stop, and played in the page."""

from __future__ import annotations

import html
from collections.abc import Iterator
from contextlib import closing
from copy import copy
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from faceswap.find.landmarkers import landmarks_name
from faceswap.find.tracking import Track, Tracker
from faceswap.jobs.film import Progress, swap_video
from faceswap.media.images import check_output
from faceswap.media.video import VIDEO_SUFFIXES, expected_frames, open_video, upright
from faceswap.panel.options import command_html, plain_command
from faceswap.panel.preview import make_view
from faceswap.panel.swap import Swap
from faceswap.swap import describe
from graphs.silence import silent_libraries
from panels.pages import JobPanel, Shown
from panels.parts import ImageView, labelled, observe
from panels.pictures import to_jpeg

PLAYED = (".mp4", ".m4v", ".webm")  # what browsers play
LARGEST_PLAYED = 64 * 2**20  # bytes sent to the page
SHOW_EVERY = 12  # frames between two that are shown while it works


def read_frame(path: str | Path, share: float) -> np.ndarray:
    """uint8 [H, W, 3] RGB: the frame at `share` (0 to 1) of a video's length. Errors as of `open_video`."""
    with open_video(path) as container:
        length = container.duration or 0
        if length:
            container.seek(round(share * length * 0.98))  # to the key frame before it
        frame = None
        for frame in container.decode(video=0):
            if not length or frame.time is None or frame.time * 1e6 >= share * length * 0.98:
                break
        if frame is None:
            raise ValueError(f"{path}: no frame could be decoded")
        return upright(frame)


class VideoPanel(JobPanel):
    """Puts the face of a swap panel, with its options, onto a video.

    video: path; out: the file to write, whose ending chooses the format. `await panel.begin()` starts it in
    a cell, the button without one.
    """

    kept = "what was written so far is kept"

    def __init__(self, swap: Swap, video: str = "", out: str = "results/output.mp4"):
        super().__init__(swap.message.details)
        self.swap = swap
        self.frame: np.ndarray | None = None
        self.progress: Progress | None = None
        self.video = widgets.Text(str(video), continuous_update=False, **labelled("video", 520))
        self.out = widgets.Text(str(out), **labelled("save as", 520))
        self.position = widgets.FloatSlider(
            0, min=0, max=1, step=0.01, readout_format=".0%", **labelled("look at", 520)
        )
        self.position.tooltip = "where in the video"
        observe([self.video, self.position], self.look)
        self.command_text = widgets.HTML()
        for control in (self.video, self.out):
            control.observe(self._show_command, "value")
        swap.on_change(self._show_command)
        self.image = ImageView(format="jpeg", layout=widgets.Layout(max_width="640px", object_fit="contain"))
        self.player = widgets.Video(autoplay=False, loop=True, layout=widgets.Layout(max_width="640px", display="none"))
        buttons = widgets.HBox([self.start, self.stop_button])
        rows = [self.video, self.out, self.position, buttons, self.bar, self.status, self.image, self.player]
        self.children = [*rows, self.command_text, self.message]
        self.add_class("ruf-video")
        self._show_command()
        if video:
            self.look()

    def _show_command(self, *_: Any) -> None:
        """Shows the plain command that does the same."""
        self.command_text.value = command_html(self.command()) if self.video.value else ""

    def command(self) -> str:
        """The plain command that does the same."""
        files = {"--src_img": self.swap.face_file(), "--video_path": self.video.value, "--save_path": self.out.value}
        name = landmarks_name(self.swap.landmarker)
        return plain_command("faceswap/main_video.py", files, self.swap.options(), name)

    def look(self) -> None:
        """Shows the frame at the slider's place, swapped."""
        if not self.running:
            self.message.say("")
            with silent_libraries():
                self.message.attempt(self._look)

    def _look(self) -> None:
        frame = read_frame(self._path(), self.position.value)
        faces, swapper = self.swap.landmarker.find(frame), self.swap.swapper
        if swapper is not None:
            swapper.options = self.swap.options()
            frame = swapper.swap(frame, faces, moving=True)
        self._show_frame(frame)

    def _path(self) -> str:
        if not self.video.value:
            raise ValueError("no video is chosen; give the path of one")
        return self.video.value

    def _show_frame(self, frame: np.ndarray) -> None:
        self.frame = frame
        self.image.value = to_jpeg(make_view(frame, [], False).image, 85)

    def work(self) -> Iterator[Progress]:
        """Swaps the video frame by frame; face, options and file are those of its beginning."""
        self.progress, self.last, self.player.layout.display = None, None, "none"
        out = Path(self.out.value)
        with silent_libraries(), closing(self._swapping(self._path(), out)) as job:
            for progress in job:
                yield progress
                if self.stopped:
                    break
        self.status.value = html.escape(self.as_text())
        self.message.say(f"{'stopped early: ' if self.stopped else ''}written: {out}")
        if out.suffix.lower() in PLAYED and out.stat().st_size <= LARGEST_PLAYED:
            self.player.format = "webm" if out.suffix.lower() == ".webm" else "mp4"
            self.player.value, self.player.layout.display = out.read_bytes(), None

    def _swapping(self, video: str, out: Path) -> Iterator[Progress]:
        face, swapper = self.swap.write_face(), copy(self.swap.swapper)
        swapper.options = self.swap.options()
        out = check_output(out, (video, face), VIDEO_SUFFIXES)
        with open_video(video) as container:
            self.bar.max = max(expected_frames(container), 1)

        def swap(image: np.ndarray, tracks: list[Track]) -> np.ndarray:
            self.last = swapper.swap(image, [track.points for track in tracks], moving=True)
            return self.last

        settings = describe(face, video, swapper.options, 0, landmarks=landmarks_name(self.swap.landmarker))
        out.parent.mkdir(parents=True, exist_ok=True)
        return swap_video(video, out, Tracker(self.swap.landmarker), swap, settings)

    def show(self, progress: Progress) -> None:
        """Shows how far it is, and now and then a frame."""
        self.progress, self.bar.value = progress, progress.frames
        if progress.frames % SHOW_EVERY == 1:
            self.status.value = html.escape(self.as_text())
            if self.last is not None:
                self._show_frame(self.last)

    def shown(self, problem: str = "") -> Shown:
        """Counts and last frame."""
        return Shown(problem or self.as_text(), self.frame if self.progress else None)

    def as_text(self) -> str:
        """How many frames came to what."""
        if self.progress is None:
            return "no video done"
        done = self.progress
        total = f" of {done.total}" if done.total else ""
        return f"{done.frames}{total} frames, {done.swapped} with a new face, the rest passed through"

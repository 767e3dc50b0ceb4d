"""A video: any frame previewed by a slider, then swapped with progress and Stop, and played in the page."""

from __future__ import annotations

import asyncio
import html
import shlex
from copy import copy
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from faceswap.find.landmarkers import landmarks_name
from faceswap.find.landmarks import silent_libraries
from faceswap.find.tracking import Track, Tracker
from faceswap.jobs.film import Progress, swap_video
from faceswap.media.images import check_output
from faceswap.media.video import VIDEO_SUFFIXES, expected_frames, open_video, upright
from faceswap.panel import SwapPanel
from faceswap.panel.command import command_html, option_flags
from faceswap.panel.preview import make_view
from faceswap.swap import describe
from panels import LABEL, ImageView, JobPanel, Message, OnMainThread, Shown, TaskStarter, show_all, to_jpeg

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

    def __init__(self, swap: SwapPanel, video: str = "", out: str = "results/output.mp4"):
        self.swap, self.stopped, self.running = swap, False, False
        self.frame: np.ndarray | None = None
        self.progress: Progress | None = None
        self._build(str(video), str(out))
        buttons = widgets.HBox([self.start, self.stop_button])
        rows = [self.video, self.out, self.position, buttons, self.bar, self.status, self.image, self.player]
        super().__init__([*rows, self.command_text, self.message])
        self.add_class("ruf-video")
        self._show_command()
        if video:
            self.look()

    def _build(self, video: str, out: str) -> None:
        """Makes the widgets and says what each of them sets off."""
        wide = dict(style=LABEL, layout=widgets.Layout(width="520px"))
        self.video = widgets.Text(video, description="video", continuous_update=False, **wide)
        self.out = widgets.Text(out, description="save as", **wide)
        self.position = widgets.FloatSlider(
            0, min=0, max=1, step=0.01, description="look at", readout_format=".0%", **wide
        )
        self.position.tooltip = "where in the video"
        look = OnMainThread(self.look)
        self.video.observe(look, "value")
        self.position.observe(look, "value")
        self.start = widgets.Button(description="Start", icon="play", button_style="success")
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.starter = TaskStarter(self.run)
        self.start.on_click(self.starter)
        self.stop_button.on_click(lambda _: self.stop())
        self.command_text = widgets.HTML()
        for control in (self.video, self.out):
            control.observe(self._show_command, "value")
        self.swap.on_change(self._show_command)
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="99%"))
        self.status, self.message = widgets.HTML(), Message()
        self.image = ImageView(format="jpeg", layout=widgets.Layout(max_width="640px", object_fit="contain"))
        self.player = widgets.Video(autoplay=False, loop=True, layout=widgets.Layout(max_width="640px", display="none"))

    def _show_command(self, *_: Any) -> None:
        """Shows the plain command that does the same."""
        self.command_text.value = command_html(self.command()) if self.video.value else ""

    def command(self) -> str:
        """The plain command that does the same."""
        files = [
            "--src_img",
            str(self.swap.face_file()),
            "--video_path",
            self.video.value,
            "--save_path",
            self.out.value,
        ]
        flags = option_flags(self.swap.options(), landmarks_name(self.swap.landmarker))
        return shlex.join(["python", "faceswap/main_video.py", *files, *flags])

    def stop(self) -> None:
        """Ends the job; what was written so far is kept."""
        self.stopped = True

    def look(self) -> None:
        """Shows the frame at the slider's place, swapped."""
        if self.running:
            return
        try:
            self.message.value = ""
            if not self.video.value:
                raise ValueError("no video is chosen; give the path of one")
            frame = read_frame(self.video.value, self.position.value)
            with silent_libraries():
                self._show_frame(self._swapped(frame, self.swap.landmarker.find(frame)))
        except (OSError, ValueError, RuntimeError) as error:
            self.message.fail(error)

    def _swapped(self, frame: np.ndarray, faces: list[np.ndarray]) -> np.ndarray:
        if self.swap.swapper is None:
            return frame
        self.swap.swapper.options = self.swap.options()
        return self.swap.swapper.swap(frame, faces, moving=True)

    def _show_frame(self, frame: np.ndarray) -> None:
        self.frame = frame
        self.image.value = to_jpeg(make_view(frame, [], False).image, 85)

    async def run(self) -> Shown:
        """Swaps the whole video; returns counts and last frame. What is wrong is told in panel and result."""
        if self.running:
            return Shown("the video is being worked on already")
        self.stopped, self.running, self.progress = False, True, None
        self.start.disabled, self.stop_button.disabled, self.message.value = True, False, ""
        self.player.layout.display = "none"
        try:
            out = Path(self.out.value)
            await show_all(self._until_stopped(self._job(out)), self._show)
            self._finish(out)
        except (OSError, ValueError, RuntimeError) as error:
            self.message.fail(error)
            return Shown(f"{type(error).__name__}: {error}")
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.message.say("interrupted; what was written so far is kept")
            raise
        finally:
            self.running = False
            self.start.disabled, self.stop_button.disabled = False, True
        return Shown(self.as_text(), self.frame)

    def _job(self, out: Path):
        """The progress of the swap, frame by frame; face and options are those of its beginning."""
        if not self.video.value:
            raise ValueError("no video is chosen; give the path of one")
        face, swapper = self.swap.write_face(), copy(self.swap.swapper)
        swapper.options = self.swap.options()
        out = check_output(out, (self.video.value, face), VIDEO_SUFFIXES)
        with open_video(self.video.value) as container:
            self.bar.max = max(expected_frames(container), 1)

        def swap(image: np.ndarray, tracks: list[Track]) -> np.ndarray:
            self.last = swapper.swap(image, [track.points for track in tracks], moving=True)
            return self.last

        self.last = None
        settings = describe(face, self.video.value, swapper.options, 0, landmarks=landmarks_name(self.swap.landmarker))
        out.parent.mkdir(parents=True, exist_ok=True)
        return swap_video(self.video.value, out, Tracker(self.swap.landmarker), swap, settings)

    def _until_stopped(self, job):
        try:
            with silent_libraries():
                for progress in job:
                    yield progress
                    if self.stopped:
                        break
        finally:
            job.close()

    def _show(self, progress: Progress) -> None:
        self.progress, self.bar.value = progress, progress.frames
        if progress.frames % SHOW_EVERY == 1:
            self.status.value = html.escape(self.as_text())
            if self.last is not None:
                self._show_frame(self.last)

    def _finish(self, out: Path) -> None:
        self.status.value = html.escape(self.as_text())
        self.message.say(f"{'stopped early: ' if self.stopped else ''}written: {out}")
        if out.suffix.lower() in PLAYED and out.stat().st_size <= LARGEST_PLAYED:
            self.player.format = "webm" if out.suffix.lower() == ".webm" else "mp4"
            self.player.value, self.player.layout.display = out.read_bytes(), None

    def as_text(self) -> str:
        """How many frames came to what."""
        if self.progress is None:
            return "no video done"
        done = self.progress
        total = f" of {done.total}" if done.total else ""
        return f"{done.frames}{total} frames, {done.swapped} with a new face, the rest passed through"

"""A walk from person to person as a video in the page."""

from pathlib import Path
from typing import Any

import ipywidgets as widgets

from panels.parts import button, labelled
from panels.pictures import smooth_enlarge
from provenance import GENERATED, Mark, write_bytes
from sgan.faces.walk import encode_mp4, walk_ws

SIDE = 256  # of the frames at least, pixels
RATE = 24  # frames per second
LONGEST = 60  # seconds in all


class WalkTab(widgets.VBox):
    """Seeds, seconds for each, a button, and the video. panel: the FacePanel whose generator and psi are used."""

    def __init__(self, panel: Any):
        self.panel, self.data = panel, b""
        self.seeds = widgets.Text("1 2 3 4", **labelled("people"))
        self.seeds.tooltip = "seeds, walked through in this order and back to the first"
        self.seconds = widgets.FloatSlider(1.5, min=0.5, max=5, step=0.5, **labelled("seconds for each"))
        self.button = button("walk", lambda: panel.message.attempt(self.make), "film", "info")
        self.save_button = button("save", lambda: panel.message.attempt(self.save), "download")
        shown = widgets.Layout(width="384px", display="none")
        self.video = widgets.Video(format="mp4", autoplay=True, loop=True, controls=True, layout=shown)
        super().__init__([self.seeds, self.seconds, widgets.HBox([self.button, self.save_button]), self.video])

    def make(self) -> None:
        """Draws the walk and plays it."""
        face, message = self.panel.face, self.panel.message
        G = face.need_generator()
        seeds = [int(part) for part in self.seeds.value.replace(",", " ").split()]
        frames = round(self.seconds.value * RATE)
        if not seeds or min(seeds) < 0 or len(seeds) * self.seconds.value > LONGEST:
            raise ValueError(f"give seeds (whole numbers from 0) for a walk of at most {LONGEST} seconds")
        message.say(f"drawing {len(seeds) * frames} frames")
        pictures = face.draw_ws(walk_ws(G, seeds, frames, face.psi.value))
        mark = Mark(GENERATED, face.cast_settings() | {"seeds": seeds, "frames_for_each": frames})
        self.data = encode_mp4((smooth_enlarge(picture, SIDE) for picture in pictures), mark, RATE)
        self.video.value, self.video.layout.display = self.data, None
        message.say("")

    def save(self) -> Path:
        """Writes the video; returns its path."""
        if not self.data:
            self.make()
        path = self.panel.export.path("-walk.mp4")
        write_bytes(path, self.data)
        self.panel.message.say(f"written: {path}")
        return path

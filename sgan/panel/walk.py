"""The walk tab of the face panel: from person to person as a video in the page."""

from pathlib import Path
from typing import Any

import ipywidgets as widgets

from panels import LABEL, OnMainThread, smooth_enlarge
from provenance import GENERATED, Mark
from sgan.faces.sampling import draw_images
from sgan.faces.walk import encode_mp4, walk_ws
from sgan.weights.checkpoint import write_bytes

SIDE = 256  # of the frames at least, pixels
RATE = 24  # frames per second
LONGEST = 60  # seconds in all


class WalkTab(widgets.VBox):
    """Seeds, seconds for each, a button, and the video. faces: the FacePanel whose generator and psi are used."""

    def __init__(self, faces: Any):
        self.faces, self.data = faces, b""
        wide = dict(style=LABEL, layout=widgets.Layout(width="440px"))
        self.seeds = widgets.Text("1 2 3 4", description="people", **wide)
        self.seeds.tooltip = "seeds, walked through in this order and back to the first"
        self.seconds = widgets.FloatSlider(1.5, min=0.5, max=5, step=0.5, description="seconds for each", **wide)
        self.button = widgets.Button(description="walk", icon="film", button_style="info")
        self.button.on_click(OnMainThread(lambda: faces.attempt(self.make)))
        self.save_button = widgets.Button(description="save", icon="download")
        self.save_button.on_click(OnMainThread(lambda: faces.attempt(self.save)))
        shown = widgets.Layout(width="384px", display="none")
        self.video = widgets.Video(format="mp4", autoplay=True, loop=True, controls=True, layout=shown)
        super().__init__([self.seeds, self.seconds, widgets.HBox([self.button, self.save_button]), self.video])

    def make(self) -> None:
        """Draws the walk and plays it."""
        G = self.faces.need_generator()
        seeds = [int(part) for part in self.seeds.value.replace(",", " ").split()]
        frames = round(self.seconds.value * RATE)
        if not seeds or min(seeds) < 0 or len(seeds) * self.seconds.value > LONGEST:
            raise ValueError(f"give seeds (whole numbers from 0) for a walk of at most {LONGEST} seconds")
        psi, noise = self.faces.psi.value, self.faces.noise_mode
        self.faces.message.say(f"drawing {len(seeds) * frames} frames")
        pictures = draw_images(G, walk_ws(G, seeds, frames, psi), noise, G.trained_step)
        settings = {"checkpoint": G.checkpoint_hash, "seeds": seeds, "frames_for_each": frames}
        settings |= self.faces.class_choice.settings(G)
        mark = Mark(GENERATED, settings | {"truncation_psi": psi, "noise_mode": noise})
        self.data = encode_mp4((smooth_enlarge(picture, SIDE) for picture in pictures), mark, RATE)
        self.video.value, self.video.layout.display = self.data, None
        self.faces.message.say("")

    def save(self) -> Path:
        """Writes the video; returns its path."""
        if not self.data:
            self.make()
        path = self.faces.export_path("-walk.mp4")
        write_bytes(path, self.data)
        self.faces.message.say(f"written: {path}")
        return path

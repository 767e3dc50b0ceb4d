"""Faces as pages for strangers: one person after another, and a face to be shaped. Nobody sees or reaches a path."""

import secrets
import tempfile
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from panels import Fixed, Message, OnMainThread, Panel, download_link, smooth_enlarge, to_png
from provenance import GENERATED, Mark, write_image
from sgan.cli.sample import DEFAULT_CHECKPOINT
from sgan.faces.persona import MAX_BYTES, PersonaError, read_persona
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.launch.run import resolve_device
from sgan.panel.classes import ClassChoice
from sgan.panel.faces import SLIDER_SEEDS, FacePanel
from sgan.weights.checkpoint import load_generator

SHOWN_SIDE = 512  # pixels
PSI = 0.7


def marked_png(picture: np.ndarray, settings: dict[str, Any]) -> bytes:
    """PNG bytes of a generated uint8 [H, W, 3] RGB picture, with its mark."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "face.png"
        write_image(path, picture, Mark(GENERATED, settings))
        return path.read_bytes()


class PersonPage(Panel):
    """A person who does not exist, and a button for another one. checkpoint: file or folder."""

    def __init__(self, checkpoint: str = DEFAULT_CHECKPOINT):
        self.G = load_generator(checkpoint, resolve_device("auto"))
        side = widgets.Layout(width=f"{SHOWN_SIDE}px", max_width="100%", object_fit="contain")
        self.image = widgets.Image(format="png", layout=side)
        self.button = widgets.Button(description="another person who does not exist", icon="random")
        self.button.button_style, self.button.layout.width = "info", "auto"
        self.button.on_click(OnMainThread(self.another))
        self.download, self.class_choice = widgets.HTML(), ClassChoice()
        self.class_choice.offer(self.G)
        self.class_choice.observe(OnMainThread(self.another), "value")
        column = widgets.Layout(align_items="center", grid_gap="12px")
        super().__init__([self.image, self.class_choice, self.button, self.download], layout=column)
        self.add_class("ruf-person")
        self.another()

    def another(self) -> None:
        """Shows a random person."""
        self.class_choice.apply(self.G)
        self.seed = secrets.randbelow(2**31)
        ws = seeds_to_ws(self.G, [self.seed], PSI)
        picture = next(draw_images(self.G, ws, "const", self.G.trained_step))
        self.image.value = to_png(smooth_enlarge(picture, SHOWN_SIDE))
        settings = {"checkpoint": self.G.checkpoint_hash, "seed": self.seed, "truncation_psi": PSI}
        settings |= {"noise_mode": "const"} | self.class_choice.settings(self.G)
        self.download.value = download_link(marked_png(picture, settings), "face.png", "save the picture")

    def as_text(self) -> str:
        """Which person is shown."""
        return f"person {self.seed}"


class FacePage(FacePanel):
    """The first tab of a FacePanel, and its persona by upload; exports are downloads."""

    def _build(self, checkpoint: str, seed: int, folder: str) -> None:
        self.message, self.checkpoint = Message(details=False), Fixed(checkpoint)
        auto = widgets.Layout(width="auto")
        self.upload = widgets.FileUpload(accept=".json", description="load a persona", layout=auto)
        self.upload.observe(OnMainThread(self._take_upload), "value")
        self.source, self.tabs, self.export = self.upload, self._build_face(min(seed, SLIDER_SEEDS)), widgets.HTML()

    def _show_loaded(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Draws the face that the controls describe, and makes it ready for download."""
        super().draw()
        self.export.value = download_link(marked_png(self.picture, self.settings()), "face.png", "save the face")

    def _take_upload(self) -> None:
        if self.upload.value:
            self.attempt(lambda: self._take_file(self.upload.value[0]))

    def _take_file(self, file: Any) -> None:
        if len(file.content) > MAX_BYTES:
            raise PersonaError(f"{file.name} is too large to be a persona")
        self.take_persona(read_persona(bytes(file.content), file.name))

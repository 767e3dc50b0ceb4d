"""Faces as pages for strangers: one person after another, and a face to be shaped. Nobody sees or reaches a path."""

import secrets
import tempfile
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np

from panels.messages import Message
from panels.pages import Panel
from panels.parts import button, download_link, observe
from panels.pictures import smooth_enlarge, to_png
from provenance import GENERATED, Mark, write_image
from sgan.config import DEFAULT_CHECKPOINT
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.launch.device import resolve_device
from sgan.panel.faces import Faces
from sgan.panel.tabs.person import SLIDER_SEEDS, ClassChoice, Person
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
        self.button = button("another person who does not exist", self.another, "random", "info", wide=True)
        self.download, self.class_choice = widgets.HTML(), ClassChoice()
        self.class_choice.offer(self.G)
        observe([self.class_choice], self.another)
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


class FacePage(Faces):
    """The face of a FacePanel, and its persona by upload; the picture is a download."""

    def __init__(self, checkpoint: str = DEFAULT_CHECKPOINT, seed: int = 7):
        self.message, self.download = Message(details=False), widgets.HTML()
        self.face = Person(self.message, min(seed, SLIDER_SEEDS))
        super().__init__([self.face.upload, self.face, self.download, self.message])
        self.add_class("ruf-faces")
        self.on_face(self._offer)
        self.message.attempt(lambda: self.load_generator(checkpoint))

    def _offer(self, picture: np.ndarray, settings: dict[str, Any]) -> None:
        self.download.value = download_link(marked_png(picture, settings), "face.png", "save the face")

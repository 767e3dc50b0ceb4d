"""The faces of a photo, of which some are chosen."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ipywidgets as widgets
import numpy as np
from PIL import Image, ImageDraw, ImageFont

from faceswap.jobs.sheet import fit_within
from faceswap.shape.regions import box_of
from panels.parts import ImageView, observe
from panels.pictures import to_jpeg

THUMBNAIL = 220  # side, pixels
SMALLEST_PICK = 24  # side of what is clicked for a face, pixels


def number_faces(image: np.ndarray, faces: Sequence[np.ndarray], chosen: Sequence[int], side: int) -> np.ndarray:
    """A small copy of a photo with a numbered box around each face, the chosen ones in green, uint8 RGB."""
    small = fit_within(image, side, side * 2)
    picture = Image.fromarray(small)
    draw, scale = ImageDraw.Draw(picture), small.shape[1] / image.shape[1]
    font = ImageFont.load_default(size=18)
    for number, points in enumerate(faces):
        x0, y0, x1, y1 = box_of(points) * scale
        colour = (30, 200, 60) if number in chosen else (160, 160, 160)
        draw.rectangle((x0, y0, x1, y1), outline=colour, width=2)
        text = str(number)
        draw.rectangle(draw.textbbox((x0, max(y0 - 20, 0)), text, font=font), fill=(0, 0, 0))
        draw.text((x0, max(y0 - 20, 0)), text, fill=colour, font=font)
    return np.asarray(picture)


class FaceChoice(widgets.VBox):
    """A photo small, with its faces numbered: a click on one, or its button, chooses it or leaves it out.

    changed: called on the kernel's main thread after another choice; it calls `draw`.
    """

    def __init__(self, changed: Callable[[], Any]):
        self.changed, self.photo = changed, None
        self.found: list[np.ndarray] = []
        self.image = ImageView(format="jpeg", layout=widgets.Layout(height=f"{THUMBNAIL}px"))
        self.box = widgets.GridBox([self.image], layout=widgets.Layout(width="max-content"))
        self.numbers = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([self.box, self.numbers])

    def offer(self, photo: np.ndarray, found: list[np.ndarray]) -> None:
        """Takes a photo, uint8 [H, W, 3] RGB, and its faces as landmarks; all are chosen."""
        self.photo, self.found = photo, found
        toggles = [widgets.ToggleButton(True, description=f"face {i}") for i in range(len(found))]
        for toggle in toggles:
            toggle.layout.width, toggle.tooltip = "80px", "swap this face"
        observe(toggles, self.changed)
        self.numbers.children = toggles
        scale = self.draw() / photo.shape[1]
        picks = [self._pick(number, box_of(points) * scale) for number, points in enumerate(found)]
        self.box.children = [self.image, *picks]

    def chosen(self) -> list[int]:
        """Numbers, from 0, of the chosen faces."""
        return [number for number, toggle in enumerate(self.numbers.children) if toggle.value]

    def chosen_faces(self) -> list[np.ndarray]:
        """Their landmarks."""
        return [self.found[number] for number in self.chosen()]

    def which(self) -> str | int | list[int]:
        """The chosen faces as metadata name them: all, one number, or the numbers."""
        chosen = self.chosen()
        return "all" if len(chosen) == len(self.found) else chosen[0] if len(chosen) == 1 else chosen

    def draw(self) -> int:
        """Shows the photo with its faces as they are chosen; returns the width in pixels."""
        small = number_faces(self.photo, self.found, self.chosen(), THUMBNAIL)
        height, width = small.shape[:2]
        self.image.value = to_jpeg(small)
        self.image.layout = widgets.Layout(width=f"{width}px", height=f"{height}px", margin="0", grid_area="1/1")
        return width

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

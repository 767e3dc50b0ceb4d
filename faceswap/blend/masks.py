"""Where the source is shown, by name. Light to import: the commands' help reads the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

    from faceswap.blend.sight import Sight

FOREHEAD_SEEN = 0.5  # share of the source's forehead that must be bare for it to be used


def oval(sight: Sight) -> np.ndarray:
    """Returns the geometric shape alone."""
    return sight.oval()


def brows(sight: Sight) -> np.ndarray:
    """Returns the oval, cut off just above the brows."""
    return oval(sight).clip(max=sight.below_brows())


def auto(sight: Sight) -> np.ndarray:
    """Returns the oval less what covers either face, cut at the brows where hair covers the source's forehead."""
    mask = oval(sight) if sight.source.forehead >= FOREHEAD_SEEN else brows(sight)
    return mask.clip(max=sight.uncovered()) * sight.beside_rims()


class Mask(NamedTuple):
    """An entry of MASKS: draw(sight) -> float32 [h, w] in [0, 1], the share of the source at each pixel of the grid."""

    draw: Callable[[Sight], np.ndarray]
    help: str


MASKS = {
    "auto": Mask(auto, "the face without hair and without what lies over it"),
    "oval": Mask(oval, "all of it"),
    "brows": Mask(brows, "below the brows"),
}

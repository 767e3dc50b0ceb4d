"""What finds landmarks: a `Landmarker` is anything with `find(image) -> list of [N, 2 or 3] points`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol, runtime_checkable

import numpy as np

SAME_FACE = 0.5  # overlap from which two results are one face


class Landmarker(Protocol):
    """Finds faces. It may have a `name`, by which it is told in metadata."""

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns the landmarks of each face, largest face first.

        Args:
            image: uint8 [H, W, 3] RGB.

        Returns:
            A list of float32 [468, 3] or [68, 2] points (x, y[, z]) in pixels of `image`; empty when there is no
            face.
        """
        ...


@runtime_checkable
class Follows(Protocol):
    """What a landmarker has besides when it can follow faces from frame to frame; `MeshLandmarker` says how.

    A search and what follows may be called at the same time, in two threads.
    """

    def follow(self, image: np.ndarray, points: np.ndarray) -> np.ndarray | None: ...

    def find_others(
        self, image: np.ndarray, known: Sequence[np.ndarray], whole: Sequence[str], tile: int | None
    ) -> list[np.ndarray]: ...

"""What finds faces and their points: what it can do, and which there are, by name.

Light to import, as the commands' help reads the table.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, NamedTuple, Protocol, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

Notice = Callable[[str], None]


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


def mesh(notice: Notice | None) -> Landmarker:
    """Returns MediaPipe's Face Mesh behind its detectors."""
    from faceswap.find.mesh import MeshLandmarker

    return MeshLandmarker()


def fan(notice: Notice | None) -> Landmarker:
    """Returns face-alignment's network behind the same detectors."""
    from faceswap.find.fan import FanLandmarker

    return FanLandmarker(notice)


class Finder(NamedTuple):
    """An entry of LANDMARKERS: make(notice) -> the landmarker, which tells a line before it fetches anything."""

    make: Callable[[Notice | None], Landmarker]
    help: str


LANDMARKERS = {
    "mesh": Finder(mesh, "MediaPipe's Face Mesh, 468 points"),
    "fan": Finder(fan, "face-alignment, 68 points; fetches its weights at the first time"),
}


def make_landmarker(name: str = "mesh", notice: Notice | None = None) -> Landmarker:
    """Returns the landmarker of that name.

    Args:
        notice: is told a line before anything is fetched from the network.

    Raises:
        ValueError: an unknown name.
    """
    if name not in LANDMARKERS:
        raise ValueError(f"unknown landmarks {name!r}; there are {' and '.join(LANDMARKERS)}")
    return LANDMARKERS[name].make(notice)


def landmarks_name(landmarker: Landmarker) -> str:
    """Returns the name that `make_landmarker` knows it by, or its class's."""
    return getattr(landmarker, "name", type(landmarker).__name__)

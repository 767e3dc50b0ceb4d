"""What finds faces and their points, by name. Light to import: the commands' help reads the table."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    from faceswap.find.landmarks import Landmarker

Notice = Callable[[str], None]


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

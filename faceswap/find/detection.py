"""Where faces are: a cascade of the two BlazeFace detectors.

The short-range network sees faces that fill much of the picture, the full-range one those down to about a twentieth,
and the full-range one on overlapping tiles those of a body shot. Every detection is confirmed by the mesh afterwards.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.shape.geometry import overlap
from graphs.blazeface import FULL_RANGE, SHORT_RANGE, FaceDetector

WHOLE = 1280  # the whole picture is looked at with its longer side at most this
TILED = 2048  # ... and tile by tile with its longer side at most this
TILE = 360  # with 512 two of 16 faces of 24 pixels were missed, with 384 two of 60, with this none
SHARED = 104  # by which tiles overlap: more than a face too small for the whole picture's detectors
ALL = -1  # tiles
BOTH = (SHORT_RANGE, FULL_RANGE)
SAME_FACE = 0.5  # overlap from which two results are one face
ENOUGH = 1.5  # pixels per pixel of a crop, above which it is averaged before it is sampled


@dataclass(frozen=True)
class Detection:
    """One face as a detector sees it, in pixels of the picture."""

    box: np.ndarray  # float32 (x0, y0, x1, y1)
    eyes: np.ndarray  # float32 [2, 2], the person's right eye first
    score: float

    @property
    def size(self) -> float:
        """Longer side of the box."""
        return float(max(self.box[2] - self.box[0], self.box[3] - self.box[1]))


class Detector:
    """The cascade; its networks are loaded when first used. Any number of threads may use it."""

    def __init__(self):
        self._networks = {name: FaceDetector(name) for name in BOTH}

    def detect(self, image: np.ndarray, whole: Sequence[str] = BOTH, tile: int | None = ALL) -> list[Detection]:
        """Returns all faces of a uint8 [H, W, 3] RGB image, each once.

        Args:
            whole: the networks that search the whole picture; none of them when empty.
            tile: where to search for faces too small for that: on ALL tiles, on none (None), or on one of them, whose
                number may be larger than there are tiles and then starts anew.
        """
        found: list[Detection] = []
        if whole:
            small, scale = shrink(image, WHOLE)
            found = merge([one for name in whole for one in self._run(name, small, (0, 0), scale)])
        return found if tile is None else merge(found + self._tiles(image, tile))

    def _tiles(self, image: np.ndarray, number: int) -> list[Detection]:
        """Returns what the full-range detector finds on tiles of a picture that is larger than one tile."""
        small, scale = shrink(image, TILED)
        height, width = small.shape[:2]
        if max(height, width) <= TILE:
            return []
        found: list[Detection] = []
        corners = [(x, y) for y in tile_starts(height) for x in tile_starts(width)]
        for x, y in corners if number == ALL else [corners[number % len(corners)]]:
            tile = np.ascontiguousarray(small[y : y + TILE, x : x + TILE])
            seen = self._run(FULL_RANGE, tile, (x, y), scale)
            found += [one for one in seen if not _at_seam(one, x, y, tile, small, scale)]
        return found

    def _run(self, name: str, image: np.ndarray, corner: tuple[int, int], scale: float) -> list[Detection]:
        """Returns one network's detections, moved by `corner` and divided by `scale`."""
        found, shift = self._networks[name](image), np.float32(corner) + 0.5
        boxes = (found.boxes + np.tile(shift, 2)) / scale - 0.5
        eyes = (found.points[:, :2] + shift) / scale - 0.5
        return [Detection(*one, float(score)) for *one, score in zip(boxes, eyes, found.scores)]


def shrink(image: np.ndarray, longest: int) -> tuple[np.ndarray, float]:
    """Returns a contiguous copy with its longer side at most `longest`, and new size / old size."""
    height, width = image.shape[:2]
    scale = min(1.0, longest / max(height, width))
    if scale == 1.0:
        return np.ascontiguousarray(image), 1.0
    size = (max(round(width * scale), 1), max(round(height * scale), 1))
    return cv2.resize(image, size, interpolation=cv2.INTER_AREA), scale


def tile_starts(length: int) -> list[int]:
    """Returns the first pixel of each tile along one side: overlapping, the last flush with the end."""
    if length <= TILE:
        return [0]
    count = int(np.ceil((length - TILE) / (TILE - SHARED))) + 1
    return [round(v) for v in np.linspace(0, length - TILE, count)]


def merge(detections: list[Detection]) -> list[Detection]:
    """Returns the detections without the lower-scored of any two that show one face."""
    kept: list[Detection] = []
    for one in sorted(detections, key=lambda d: -d.score):
        if all(overlap(one.box, other.box) < SAME_FACE for other in kept):
            kept.append(one)
    return kept


def _at_seam(one: Detection, x: int, y: int, tile: np.ndarray, whole: np.ndarray, scale: float) -> bool:
    """Returns whether a box is cut off by its tile (not by the picture); a neighbouring tile has it whole."""
    x0, y0, x1, y1 = one.box * scale - np.float32([x, y, x, y])
    height, width = tile.shape[:2]
    left, top = x0 < 0 < x, y0 < 0 < y
    right = x1 > width and x + width < whole.shape[1]
    bottom = y1 > height and y + height < whole.shape[0]
    return bool(left or top or right or bottom)


def crop_upright(
    image: np.ndarray, eyes: np.ndarray, side: float, size: int, centre: np.ndarray | None = None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns an upright square cut around a face, and crop_to_image [2, 3].

    Args:
        image: uint8 [H, W, 3].
        eyes: [2, 2] centres of the eyes in pixels, the person's right eye (left in the picture) first.
        side: side of the square in pixels of `image`.
        size: side of the crop.
        centre: middle of the square; below the eyes when not given.
    """
    across = (eyes[1] - eyes[0]).astype(np.float64)
    across /= max(np.linalg.norm(across), 1e-6)
    down = np.array([-across[1], across[0]])
    middle = eyes.mean(0) + 0.1 * side * down if centre is None else np.asarray(centre, np.float64)
    scale = side / size
    linear = np.stack([across, down], 1) * scale
    crop_to_image = np.concatenate([linear, (middle - linear @ np.full(2, (size - 1) / 2))[:, None]], 1)
    reach = side / 2 * np.abs(across).sum() + 2 * max(scale, 1)
    x0, y0 = (max(int(np.floor(v - reach)), 0) for v in middle)
    x1, y1 = (min(int(np.ceil(v + reach)) + 1, limit) for v, limit in zip(middle, image.shape[1::-1], strict=True))
    if x1 <= x0 or y1 <= y0:
        return np.zeros((size, size, 3), np.uint8), crop_to_image
    part, to_part = image[y0:y1, x0:x1], crop_to_image.copy()
    to_part[:, 2] -= (x0, y0)
    while scale > ENOUGH and min(part.shape[:2]) > 1:  # halving is several times faster than any other averaging
        height, width = part.shape[0] // 2, part.shape[1] // 2
        part = cv2.resize(part[: 2 * height, : 2 * width], (width, height), interpolation=cv2.INTER_AREA)
        scale /= 2
        to_part[:, 2] = (to_part[:, 2] + 0.5) / 2 - 0.5
        to_part[:, :2] /= 2
    flags = (cv2.INTER_CUBIC if scale < ENOUGH / 2 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    crop = cv2.warpAffine(part, to_part, (size, size), flags=flags, borderMode=cv2.BORDER_REPLICATE)
    return crop, crop_to_image

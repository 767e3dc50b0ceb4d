"""Cutting eye-levelled squares out of photos, as the step before training on one's own pictures.

The geometry is that of FFHQ (Karras et al. 2019, arXiv 1812.04948, appendix A): the square follows the line of the
eyes, its size the distance between the eyes or from eyes to mouth. What lies beyond the photo is mirrored.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np

from faceswap.find.detection import shrink
from faceswap.find.landmarkers import Landmarker, landmarks_name
from faceswap.media.images import file_sha256, list_photos, plain_names, read_image, read_note, write_plain
from faceswap.shape.regions import LEFT_EYE, RIGHT_EYE, to_mesh
from provenance import remove_leftovers

EYES, MOUTH_REACH, DOWN = 2.0, 1.8, 0.1  # FFHQ's factors: width by the eyes, by eyes to mouth, shift downwards
CORNERS = (61, 291)  # of the mouth


@dataclass(frozen=True)
class Aligned:
    """What became of one photo."""

    photo: Path
    written: tuple[Path, ...] = ()
    too_small: int = 0  # faces left out because their square has too few pixels
    problem: str = ""  # one sentence when the photo could not be read


def ffhq_square(points: np.ndarray) -> np.ndarray:
    """Returns the corners [4, 2] of a face's square in pixels: upper left, lower left, lower right, upper right.

    Args:
        points: landmarks of either convention.
    """
    points = to_mesh(points)[:, :2].astype(np.float64)
    right, left = points[list(RIGHT_EYE)].mean(0), points[list(LEFT_EYE)].mean(0)
    eyes, across = (right + left) / 2, left - right
    down = points[list(CORNERS)].mean(0) - eyes
    x = across - np.array([-down[1], down[0]])
    x *= max(EYES * np.linalg.norm(across), MOUTH_REACH * np.linalg.norm(down)) / max(np.linalg.norm(x), 1e-6)
    y = np.array([-x[1], x[0]])
    middle = eyes + DOWN * down
    return np.stack([middle - x - y, middle - x + y, middle + x + y, middle + x - y])


def align_face(image: np.ndarray, points: np.ndarray, size: int) -> np.ndarray:
    """Returns uint8 [size, size, 3]: the face cut out with level eyes, mirrored beyond the edges of the picture.

    Args:
        image: uint8 [H, W, 3] RGB.
        points: landmarks of either convention in pixels of `image`.
        size: side of the result.
    """
    corners = ffhq_square(points)
    side = np.linalg.norm(corners[3] - corners[0])
    reach = int(side) + 2
    low, high = np.floor(corners.min(0)).astype(int) - 2, np.ceil(corners.max(0)).astype(int) + 3
    x0, y0 = np.maximum(low, 0)
    x1, y1 = np.minimum(high, image.shape[1::-1])
    if x1 - x0 < 2 or y1 - y0 < 2:
        raise ValueError("the face lies outside the picture")
    pad = [max(0, int(v)) for v in (y0 - low[1], high[1] - y1, x0 - low[0], high[0] - x1)]
    part = image[max(y0 - reach, 0) : y1 + reach, max(x0 - reach, 0) : x1 + reach]
    offset = np.array([max(x0 - reach, 0), max(y0 - reach, 0)])
    part = cv2.copyMakeBorder(part, *pad, cv2.BORDER_REFLECT_101)
    offset = offset - [pad[2], pad[0]]
    small, factor = shrink(part, max(round(max(part.shape[:2]) * min(1.0, size / side)), 1))
    corners = (corners - offset + 0.5) * factor  # edges of the square, with the picture's edge at 0
    scale = size / np.linalg.norm(corners[3] - corners[0])
    linear = np.stack([corners[3] - corners[0], corners[1] - corners[0]], 1) / size
    to_part = np.concatenate([linear, (corners[0] + linear @ [0.5, 0.5] - 0.5)[:, None]], 1)
    flags = (cv2.INTER_CUBIC if scale > 1 else cv2.INTER_LINEAR) | cv2.WARP_INVERSE_MAP
    return cv2.warpAffine(small, to_part, (size, size), flags=flags, borderMode=cv2.BORDER_REFLECT_101)


def align_folder(
    src: str | Path, out: str | Path, size: int, landmarker: Landmarker, smallest: int = 0
) -> Iterator[Aligned]:
    """Yields what became of each photo of a folder while its faces are written as <name>-<number>.png.

    A photo whose first square is there already, made from the same photo with the same settings, is not looked at
    again. Results keep the folders of the photos.

    Args:
        size: side of the squares in pixels.
        smallest: faces whose square has fewer pixels in the photo are left out.

    Raises:
        OSError: there is no such folder, or nothing can be written.
        ValueError: the folder holds no photo, or the squares would lie among them.
    """
    src, out = Path(src), Path(out)
    photos = list_photos(src, out)
    names = plain_names(src, photos)
    for folder in {(out / name).parent for name in names}:
        remove_leftovers(folder)
    settings = {"size": size, "smallest": smallest, "landmarks": landmarks_name(landmarker)}
    for photo, name in zip(photos, names):
        target = out / name
        try:
            note = settings | {"photo_sha256": file_sha256(photo)}
            kept = _kept(photo, target, note)
            image = None if kept else read_image(photo)
        except (OSError, ValueError) as error:
            yield Aligned(photo, problem=str(error))
            continue
        yield kept or _align_photo(photo, image, target, note, landmarker)


def _square(target: Path, number: int) -> Path:
    return target.with_name(f"{target.name}-{number}.png")


def _squares(target: Path, note: dict | None) -> list[Path]:
    """Returns the squares that are there of those that a first one's note speaks of."""
    count = (note or {}).get("squares")
    numbers = range(count if isinstance(count, int) else 0)
    return [path for path in (_square(target, number) for number in numbers) if path.exists()]


def _kept(photo: Path, target: Path, note: dict) -> Aligned | None:
    """Returns what is there of a photo already, None where it is to be done or was done in another way."""
    before = read_note(_square(target, 0))
    if before is None or any(before.get(key) != value for key, value in note.items()):
        return None
    return Aligned(photo, tuple(_squares(target, before)), int(before.get("too_small", 0)))


def _align_photo(photo: Path, image: np.ndarray, target: Path, note: dict, landmarker: Landmarker) -> Aligned:
    """Returns what was written for one photo; squares of it from another way are replaced or removed."""
    cuts, too_small = [], 0
    for points in landmarker.find(image):
        corners = ffhq_square(points)
        if np.linalg.norm(corners[3] - corners[0]) < note["smallest"]:
            too_small += 1
        else:
            cuts.append(align_face(image, points, note["size"]))
    written = [_square(target, number) for number in range(len(cuts))]
    for path in reversed(_squares(target, read_note(_square(target, 0)))):
        if path not in written and read_note(path):  # nobody else's
            path.unlink()
    note = note | {"squares": len(cuts), "too_small": too_small}
    for path, cut in reversed(list(zip(written, cuts))):  # the first one last: it says that the photo is done
        write_plain(path, cut, note)
    return Aligned(photo, tuple(written), too_small)

"""Putting the finished face into the picture: how its edge is joined, by name.

Light to import, as the commands' help reads the table: what takes long to load is imported where it is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple

if TYPE_CHECKING:
    import numpy as np

MEMBRANE_SIDE = 64  # longer side of the copy on which the Poisson equation is solved, pixels


def feather(face: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w, 3]: mask * face + (1 - mask) * target; where the mask is 0 the target bit for bit.

    Args:
        face: float32 [h, w, 3] RGB, 0..255.
        target: uint8 [h, w, 3] RGB.
        mask: float32 [h, w] in [0, 1].
    """
    import cv2
    import numpy as np

    below = target.astype(np.float32)
    share = cv2.merge([mask, mask, mask])
    cv2.multiply(cv2.subtract(np.clip(face, 0, 255), below), share, dst=share)
    return cv2.convertScaleAbs(cv2.add(below, share, dst=share))  # rounds; nothing is negative


def poisson(face: np.ndarray, target: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w, 3]: the gradients of the face inside the mask, the target's values around it.

    Perez, Gangnet & Blake 2003, "Poisson image editing". Its solution is the face plus a membrane, the smooth field
    that carries the difference at the edge inwards; being smooth, it is found on a small copy and enlarged. The seam is
    then softened with the mask, so that pixels outside stay bit for bit. Falls back to the feather where the shape is
    too small.
    """
    import cv2
    import numpy as np

    factor = min(1.0, MEMBRANE_SIDE / max(mask.shape))
    size = tuple(max(round(v * factor), 1) for v in mask.shape[::-1])
    small_mask, small_face, small_target = (
        cv2.resize(v, size, interpolation=cv2.INTER_AREA) for v in (mask, face, np.ascontiguousarray(target))
    )
    inside = (small_mask > 0.02).astype(np.uint8)
    inside[[0, -1]] = 0
    inside[:, [0, -1]] = 0
    y, x = np.nonzero(inside)
    if len(y) < 16 or np.ptp(x) < 4 or np.ptp(y) < 4:
        return feather(face, target, mask)
    centre = (int(x.min() + x.max() + 1) // 2, int(y.min() + y.max() + 1) // 2)
    source = np.clip(small_face + 0.5, 0, 255).astype(np.uint8)
    try:
        cloned = cv2.seamlessClone(source, small_target, inside * 255, centre, cv2.NORMAL_CLONE)
    except cv2.error:
        return feather(face, target, mask)
    membrane = cv2.GaussianBlur(cloned.astype(np.float32) - source, (0, 0), 1.0)
    bent = cv2.add(face, cv2.resize(membrane, mask.shape[::-1], interpolation=cv2.INTER_LINEAR))
    return feather(bent, target, np.minimum(1, 4 * mask))


class Blend(NamedTuple):
    """An entry of BLENDS: join(face, target, mask) -> the picture, as `feather` says."""

    join: Callable[[np.ndarray, np.ndarray, np.ndarray], np.ndarray]
    help: str
    whole: bool = False  # whether it needs the room around the mask too


BLENDS = {
    "feather": Blend(feather, "the face fades out"),
    "poisson": Blend(poisson, "its colours bend to those around it", whole=True),
}

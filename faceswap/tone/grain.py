"""Sharpness and grain: the swapped face is as sharp and as noisy as the photo it is put into.

Both faces are split into bands of detail. Where the source lacks a band (it was small, or smooth) the band of the
target itself is lent to it, limited to the strength of skin texture and noise, so that no feature of the target
comes through; where it has too much (it was noisy, the target is soft) the band is turned down.
"""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.shape.geometry import median

SIGMAS = (0.8, 1.6, 3.2)  # bands lie below, between and between these, pixels
CLIP = 2.5  # a lent band is limited to this many of its own sigmas
DEAD_ZONE = 0.05  # relative difference of strength that is left alone
SHARPEN = 1.5  # a weak band of the source is strengthened at most this much; the rest is lent
REACH = 2.7  # sigmas at which the Gaussians end
SAMPLES = 2500
LEAST_SKIN = 64  # pixels


def detail_bands(luma: np.ndarray) -> list[np.ndarray]:
    """Returns the bands of float32 [h, w], finest first; their sum and the rest below the last give the image back.

    The coarsest is cut off at half the size, where its Gaussian is half as wide.
    """
    bands, above, reached = [], luma, 0.0
    for sigma in SIGMAS[:-1]:  # Gaussians one after the other add up their squared sigmas
        below = _blur(above, float(np.sqrt(sigma**2 - reached**2)))
        bands.append(cv2.subtract(above, below))
        above, reached = below, sigma
    size = luma.shape[::-1]
    half = cv2.resize(above, tuple(-(-n // 2) for n in size), interpolation=cv2.INTER_LINEAR)
    half = _blur(half, float(np.sqrt(SIGMAS[-1] ** 2 - reached**2)) / 2)
    bands.append(cv2.subtract(above, cv2.resize(half, size, interpolation=cv2.INTER_LINEAR)))
    return bands


def _blur(image: np.ndarray, sigma: float) -> np.ndarray:
    side = 2 * int(np.ceil(REACH * sigma)) + 1
    return cv2.GaussianBlur(image, (side, side), sigma, borderType=cv2.BORDER_REFLECT)


def match_grain(
    face: np.ndarray, target: np.ndarray, skin: np.ndarray, strength: float = 1.0, step: int = 1
) -> np.ndarray:
    """Returns the face float32 [h, w, 3] with the target's detail strength.

    Args:
        face: float32 [h, w, 3] RGB, 0..255.
        target: uint8 [h, w, 3] RGB.
        skin: bool [ceil(h / step), ceil(w / step)]: bare skin of both, where strengths are compared.
        strength: 0 leaves the face as it is, 1 matches fully.
        step: pixels of the face per pixel of `skin`.
    """
    chosen = _places(skin, step, face.shape[:2])
    if len(chosen) * step**2 < LEAST_SKIN or strength <= 0:
        return face
    own_luma = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    target_luma = cv2.cvtColor(target, cv2.COLOR_RGB2GRAY).astype(np.float32)
    change = None
    for own, lent in zip(detail_bands(own_luma), detail_bands(target_luma)):
        have, want = _spread(own.take(chosen)), _spread(lent.take(chosen))
        part = _band_change(own, lent, have, want)
        if part is not None:
            change = part if change is None else cv2.add(change, part, dst=change)
    if change is None:
        return face
    if strength < 1:
        change *= np.float32(strength)
    out = cv2.cvtColor(change, cv2.COLOR_GRAY2RGB)
    out += face
    return out


def _places(flags: np.ndarray, step: int, size: tuple[int, int]) -> np.ndarray:
    """Returns flat indices of about SAMPLES pixels of an image of `size` (h, w), one in each square that is flagged."""
    cells = np.flatnonzero(flags)
    y, x = np.divmod(cells[:: max(1, len(cells) // SAMPLES)], flags.shape[1])
    turn = np.arange(len(y))  # another pixel of every square
    y, x = np.minimum(y * step + turn % step, size[0] - 1), np.minimum(x * step + turn // step % step, size[1] - 1)
    return y * size[1] + x


def _band_change(own: np.ndarray, lent: np.ndarray, have: float, want: float) -> np.ndarray | None:
    """Returns what to add to a band of strength `have` so that it gets strength `want`; None for nothing."""
    if abs(want - have) <= DEAD_ZONE * max(want, have) or max(want, have) < 0.05:
        return None
    if have > want:
        return own * np.float32(want / have - 1)
    gain = min(SHARPEN, want / max(have, 1e-3))
    share = np.sqrt(max(0.0, want**2 - (gain * have) ** 2)) / want
    limit = CLIP * want
    calm = cv2.min(cv2.max(lent, -limit), limit)
    return cv2.addWeighted(own, gain - 1, calm, share, 0)


def _spread(values: np.ndarray) -> float:
    """Returns the robust standard deviation: 1.4826 times the median absolute deviation from zero."""
    return 1.4826 * median(np.abs(values))

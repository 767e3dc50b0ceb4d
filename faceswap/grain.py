"""Sharpness and grain: the swapped face is as sharp and as noisy as the photo it is put into.

Both faces are split into bands of detail. Where the source lacks a band (it was small, or smooth) the band of the
target itself is lent to it, limited to the strength of skin texture and noise, so that no feature of the target
comes through; where it has too much (it was noisy, the target is soft) the band is turned down.
"""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.geometry import median

SIGMAS = (0.8, 1.6, 3.2)  # bands lie below, between and between these, pixels
CLIP = 2.5  # a lent band is limited to this many of its own sigmas
DEAD_ZONE = 0.05  # relative difference of strength that is left alone
SHARPEN = 1.5  # a weak band of the source is strengthened at most this much; the rest is lent
REACH = 2.7  # sigmas at which the Gaussians end
SAMPLES = 2500


def detail_bands(luma: np.ndarray) -> list[np.ndarray]:
    """Returns the bands of float32 [h, w], finest first; their sum and the rest below the last give the image back."""
    bands, above, reached = [], luma, 0.0
    for sigma in SIGMAS:  # Gaussians one after the other add up their squared sigmas
        step = float(np.sqrt(sigma**2 - reached**2))
        side = 2 * int(np.ceil(REACH * step)) + 1
        below = cv2.GaussianBlur(above, (side, side), step, borderType=cv2.BORDER_REFLECT)
        bands.append(cv2.subtract(above, below))
        above, reached = below, sigma
    return bands


def match_grain(face: np.ndarray, target: np.ndarray, skin: np.ndarray, strength: float = 1.0) -> np.ndarray:
    """Returns the face float32 [h, w, 3] with the target's detail strength.

    Args:
        face: float32 [h, w, 3] RGB, 0..255.
        target: uint8 [h, w, 3] RGB.
        skin: bool [h, w]: bare skin of both, where strengths are compared.
        strength: 0 leaves the face as it is, 1 matches fully.
    """
    chosen = np.flatnonzero(skin)
    if len(chosen) < 64 or strength <= 0:
        return face
    chosen = chosen[:: max(1, len(chosen) // SAMPLES)]
    own_luma = cv2.cvtColor(face, cv2.COLOR_RGB2GRAY)
    target_luma = cv2.cvtColor(target, cv2.COLOR_RGB2GRAY).astype(np.float32)
    change = None
    for own, lent in zip(detail_bands(own_luma), detail_bands(target_luma)):
        have, want = _spread(own.ravel()[chosen]), _spread(lent.ravel()[chosen])
        part = _band_change(own, lent, have, want)
        if part is not None:
            change = part if change is None else change + part
    if change is None:
        return face
    if strength < 1:
        change *= np.float32(strength)
    return cv2.add(face, cv2.merge([change, change, change]))


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

"""Colour correction: the source's face takes on the target's light and skin tone, slowly varying across the face.

Shifts are measured between skin and skin only (never hair, shadow or what lies over the face) in CIELAB. Lightness is
corrected along a curve that leaves black and white where they are, so that pupils stay dark and eyes and teeth do
not burn.
"""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.shape.regions import face_width

REACH = 0.16  # sigma of the shift's smoothing / face width
SURE = 0.04  # weight of the mean shift where no skin is near
GREY = 3.0  # mean difference of the channels (0..255) below which a target counts as without colour
CONTRAST = 0.3  # of a face made lighter: exponent of the slope of the tone curve at the skin
NEUTRAL = 0.2  # share of the shift of hue that a colourless pixel follows
SAMPLES = 1000  # of the skin, from which the spread of its chroma is measured
COARSE = 4  # the shift is smoothed on a grid this much coarser


def is_grey(image: np.ndarray) -> bool:
    """Returns whether a uint8 [h, w, 3] image has no colour to speak of."""
    red, green, blue = cv2.split(image)
    return cv2.mean(cv2.absdiff(red, green))[0] + cv2.mean(cv2.absdiff(green, blue))[0] < GREY


def without_colour(image: np.ndarray) -> np.ndarray:
    """Returns float32 [h, w, 3] with three equal channels: the luma (Rec. 601) of an RGB image."""
    luma = image.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    return np.repeat(luma[:, :, None], 3, 2)


def correct_colour(source: np.ndarray, target: np.ndarray, weight: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns the source's CIELAB pixels with the target's tone, float32 [h, w, 3].

    Args:
        source: float32 [h, w, 3] CIELAB of the warped source on the grid.
        target: float32 [h, w, 3] CIELAB of the target on the same grid.
        weight: float32 [h, w] in [0, 1]: where both show skin.
        points: [468, 3] mesh points on the grid, for the size of the face.
    """
    if float(weight.sum()) < 1.0:
        return source
    base, shift = smooth_shift(source, target, weight, REACH * face_width(points))
    source = _calm_chroma(source, target, weight)
    light, a, b = cv2.split(source)
    share = tint_share(source, base, weight)
    return cv2.merge([tone_curve(light, base, base + shift[0]), a + shift[1] * share, b + shift[2] * share])


def weighted_mean(values: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns the weighted mean colour [3] of float32 [h, w, 3]."""
    return np.array([cv2.sumElems(v * weight)[0] for v in cv2.split(values)]) / max(cv2.sumElems(weight)[0], 1e-6)


def tint_share(source: np.ndarray, base: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns float32 [h, w] in [0, 1]: how far a pixel follows the shift of hue: skin fully, black and white little.

    Pupils, brows, teeth and the white of the eye would otherwise take on the complement of the source's skin.
    """
    dark = np.clip(cv2.extractChannel(source, 0) / np.maximum(base, 1.0), 0, 1)
    skin = weighted_mean(source, weight)[1:]
    along = cv2.transform(source, np.array([[0, *skin / max(float(skin @ skin), 1.0)]]))  # 1 for the skin's own hue
    return dark * (NEUTRAL + (1 - NEUTRAL) * np.clip(along, 0, 1))


def smooth_shift(
    source: np.ndarray, target: np.ndarray, weight: np.ndarray, sigma: float
) -> tuple[np.ndarray, list[np.ndarray]]:
    """Returns the source's smoothed lightness [h, w] and the smoothed target - source, three times [h, w].

    Normalised convolution (Knutsson & Westin 1993) with a Gaussian; where no skin is near both fall back to their
    means.
    """
    size = source.shape[1::-1]
    small = tuple(-(-v // COARSE) for v in size)
    right, below = (v * COARSE - w for v, w in zip(small, size))  # whole pixels are averaged several times faster

    def smooth(values: np.ndarray) -> np.ndarray:
        whole = cv2.copyMakeBorder(values, 0, below, 0, right, cv2.BORDER_CONSTANT, value=0)
        coarse = cv2.resize(whole, small, interpolation=cv2.INTER_AREA)
        return cv2.GaussianBlur(coarse, (0, 0), max(sigma / COARSE, 0.5), borderType=cv2.BORDER_CONSTANT)

    values = [cv2.extractChannel(source, 0), *cv2.split(cv2.subtract(target, source))]
    weighted = cv2.merge([cv2.multiply(v, weight) for v in values])
    near = smooth(weight)
    means = np.float32(cv2.sumElems(weighted)) / np.float32(max(cv2.sumElems(weight)[0], 1e-6))
    filled = (smooth(weighted) + np.float32(SURE) * means) / (near + np.float32(SURE))[:, :, None]
    large = cv2.resize(filled, None, fx=COARSE, fy=COARSE, interpolation=cv2.INTER_CUBIC)[: size[1], : size[0]]
    base, *shift = cv2.split(large)
    return base, shift


def tone_curve(light: np.ndarray, middle: np.ndarray, wanted: np.ndarray) -> np.ndarray:
    """Returns lightness [h, w] after a smooth rising curve through (0, 0), (middle, wanted) and (100, 100).

    Two curves meet at the skin with one slope, (wanted / middle) ** CONTRAST: the shading of a face that is made
    lighter grows less than its lightness, as on lighter skin; black, white and what is near them change little.

    Args:
        light: L in [0, 100].
        middle: L of the skin there.
        wanted: L that skin should have.
    """
    light = np.clip(light, 0.0, 100.0)
    middle, wanted = np.clip(middle, 5.0, 95.0), np.clip(wanted, 3.0, 97.0)
    below = light < middle
    light, middle, wanted_here = (np.where(below, v, 100 - v) for v in (light, middle, wanted))  # both curves as one
    slope = np.exp(np.float32(CONTRAST) * np.log(wanted / np.where(below, middle, 100 - middle)))
    bent = wanted_here * _bent(light / middle, slope * middle / wanted_here)
    return np.where(below, bent, 100 - bent).astype(np.float32, copy=False)


def _bent(t: np.ndarray, slope: np.ndarray) -> np.ndarray:
    """Returns t ** (1 + (slope - 1) t^2) for t in [0, 1]: from 0 to 1, straight at first, with that slope at 1."""
    t = np.clip(t, np.float32(1e-6), np.float32(1))
    slope = np.minimum(slope, np.float32(6))  # steeper, it would not rise everywhere
    return np.exp(np.log(t) * (1 + (slope - 1) * t * t))  # the power, several times faster


def calm_chroma_noise(lab: np.ndarray, sigma: float) -> np.ndarray:
    """Returns CIELAB with the chroma smoothed by `sigma` pixels, lightness as it is: enlarged faces are blotchy."""
    light, a, b = cv2.split(lab)
    return cv2.merge([light, *(cv2.GaussianBlur(chroma, (0, 0), max(sigma, 0.3)) for chroma in (a, b))])


def _calm_chroma(source: np.ndarray, target: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns the source with its spread of chroma reduced to the target's, for toned and faded photos."""
    chosen = np.flatnonzero(weight > 0.5)
    if len(chosen) < 16:
        return source
    chosen = chosen[:: max(1, len(chosen) // SAMPLES)]
    own, wanted = (lab.reshape(-1, 3)[chosen, 1:] for lab in (source, target))
    spread = [float(np.linalg.norm(values.std(0))) for values in (own, wanted)]
    factor = min(1.0, 1.4 * spread[1] / max(spread[0], 1e-3))
    if factor == 1.0:
        return source
    rest = (1 - factor) * own.mean(0)
    return cv2.transform(source, np.array([[1, 0, 0, 0], [0, factor, 0, rest[0]], [0, 0, factor, rest[1]]]))

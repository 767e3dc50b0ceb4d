"""Layers of convolutional networks in numpy, for one picture at a time.

Feature maps are float32 [H, W, C]. Matrix products do the work, so numpy's own library decides how fast it goes.
"""

from collections.abc import Callable

import numpy as np

SLOPE = np.float32(0.2)
STRIP = 2**17  # numbers that are gathered for one matrix product: they stay in a processor's cache
FIR_TAPS = (0.25, 0.75, 0.75, 0.25)  # StyleGAN2's filter along one axis, with the gain 2 of doubling it

Finish = Callable[[np.ndarray, slice], None]


def leaky_relu(x: np.ndarray) -> np.ndarray:
    """Returns x where it is positive, a fifth of it elsewhere; x itself is overwritten."""
    return np.maximum(x, x * SLOPE, out=x)


def conv3x3(x: np.ndarray, weight: np.ndarray, finish: Finish | None = None) -> np.ndarray:
    """Returns x [H, W, C] convolved with weight [3, 3, C, O], zeros around it: [H, W, O].

    Args:
        finish: what is done, in place, to every strip of finished rows [n, W, O] while it is in the cache; it is told
            which rows these are.
    """
    h, w, c = x.shape
    out = np.empty((h, w, weight.shape[3]), np.float32)
    padded = np.pad(x, ((1, 1), (1, 1), (0, 0)))
    strides = (*padded.strides[:2], *padded.strides[::2])
    windows = np.lib.stride_tricks.as_strided(padded, (h, w, 3, 3 * c), strides, writeable=False)
    height = min(max(STRIP // (9 * c * w), 1), h)
    gathered = np.empty((height, w, 3, 3 * c), np.float32)
    matrix = weight.reshape(9 * c, -1)
    for first in range(0, h, height):
        rows = slice(first, min(first + height, h))
        part, strip = out[rows], gathered[: rows.stop - first]
        np.copyto(strip, windows[rows])
        np.matmul(strip.reshape(-1, 9 * c), matrix, out=part.reshape(-1, part.shape[2]))
        if finish is not None:
            finish(part, rows)
    return out


def conv3x3_up(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns conv3x3 at twice the size, [2H, 2W, O], in StyleGAN2's order.

    A transposed convolution with stride 2, then its filter with one pixel more on each side (arXiv 1912.04958).
    """
    h, w, _ = x.shape
    out = np.zeros((2 * h + 3, 2 * w + 3, weight.shape[3]), np.float32)  # with the filter's borders
    for i in range(3):
        for j in range(3):
            out[1 + i : 1 + i + 2 * h : 2, 1 + j : 1 + j + 2 * w : 2] += conv1x1(x, weight[i, j])
    return _filter(_filter(out, 0), 1)


def _filter(x: np.ndarray, axis: int) -> np.ndarray:
    """Returns x after FIR_TAPS along an axis, which gets 3 shorter."""
    x = x.swapaxes(0, axis)
    n = len(x) - 3
    return sum(np.float32(tap) * x[i : i + n] for i, tap in enumerate(FIR_TAPS)).swapaxes(0, axis)


def finish_strips(x: np.ndarray, finish: Finish) -> np.ndarray:
    """Returns x [H, W, C] finished in place, strip by strip."""
    height = max(STRIP // (x.shape[1] * x.shape[2]), 1)
    for first in range(0, len(x), height):
        rows = slice(first, first + height)
        finish(x[rows], rows)
    return x


def conv1x1(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    """Returns x [H, W, C] times weight [C, O]: [H, W, O]."""
    return (x.reshape(-1, x.shape[2]) @ weight).reshape(*x.shape[:2], -1)


def upsample_bilinear(x: np.ndarray) -> np.ndarray:
    """Returns x [H, W, C] at twice the size, repeating the edge."""
    return _double(_double(x, 0, True), 1, True)


def upsample_fir(x: np.ndarray) -> np.ndarray:
    """Returns x [H, W, C] at twice the size by StyleGAN2's filter: as bilinear, but with zeros around."""
    return _double(_double(x, 0, False), 1, False)


def _double(x: np.ndarray, axis: int, repeat: bool) -> np.ndarray:
    """Returns x with twice as many pixels along an axis, each 3/4 of its own one and 1/4 of a neighbour."""
    y = np.empty((*x.shape[: axis + 1], 2, *x.shape[axis + 1 :]), np.float32)
    ahead = (slice(None),) * axis
    even, odd = (y[(*ahead, slice(None), side)] for side in (0, 1))
    first, last, before, after = (*ahead, 0), (*ahead, -1), (*ahead, slice(None, -1)), (*ahead, slice(1, None))
    own, near = x * np.float32(0.75), x * np.float32(0.25)
    np.add(own[after], near[before], out=even[after])
    np.add(own[before], near[after], out=odd[before])
    edge = x if repeat else own
    even[first], odd[last] = edge[first], edge[last]
    return y.reshape(*x.shape[:axis], 2 * x.shape[axis], *x.shape[axis + 1 :])

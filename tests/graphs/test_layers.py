"""The layers in numpy are those of PyTorch."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from graphs import layers
from sgan.networks import ops


def whole_numbers(*shape: int, seed: int = 0) -> np.ndarray:
    """Small whole numbers, of which every sum is exact."""
    return np.random.default_rng(seed).integers(-4, 5, shape).astype(np.float32)


def as_map(x: np.ndarray) -> torch.Tensor:
    """[H, W, C] -> [1, C, H, W]."""
    return torch.from_numpy(x).permute(2, 0, 1)[None]


def as_array(x: torch.Tensor) -> np.ndarray:
    return x[0].permute(1, 2, 0).numpy()


@pytest.mark.parametrize("strip", [1, 500, 2**17])
@pytest.mark.parametrize("shape", [(4, 4, 3, 5), (7, 5, 2, 1), (16, 16, 8, 8), (1, 1, 1, 1)])
def test_convolution(shape, strip, monkeypatch):
    monkeypatch.setattr(layers, "STRIP", strip)
    h, w, c, o = shape
    x, weight = whole_numbers(h, w, c), whole_numbers(3, 3, c, o, seed=1)
    theirs = F.conv2d(as_map(x), torch.from_numpy(weight).permute(3, 2, 0, 1), padding=1)
    assert np.array_equal(layers.conv3x3(x, weight), as_array(theirs))


@pytest.mark.parametrize("strip", [1, 500, 2**17])
def test_every_row_is_finished_once(strip, monkeypatch):
    monkeypatch.setattr(layers, "STRIP", strip)
    x, weight, plan = whole_numbers(9, 6, 2), whole_numbers(3, 3, 2, 4, seed=1), whole_numbers(9, 6, seed=2)

    def finish(part, rows):
        part += plan[rows, :, None]

    expected = layers.conv3x3(x, weight) + plan[:, :, None]
    assert np.array_equal(layers.conv3x3(x, weight, finish), expected)
    assert np.array_equal(layers.finish_strips(layers.conv3x3(x, weight), finish), expected)


def test_convolution_at_twice_the_size_is_stylegan2s():
    x, weight = whole_numbers(5, 6, 3), whole_numbers(3, 3, 3, 4, seed=1)
    kernel = torch.from_numpy(weight).permute(3, 2, 0, 1)
    theirs = ops.modulated_conv2d_up(as_map(x), kernel, torch.ones(1, 3))
    assert np.array_equal(layers.conv3x3_up(x, weight), as_array(theirs))


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [(layers.upsample_bilinear, ops.upsample_bilinear), (layers.upsample_fir, ops.upsample_fir)],
)
@pytest.mark.parametrize("shape", [(1, 1, 2), (4, 6, 3)])
def test_twice_the_size(ours, theirs, shape):
    x = whole_numbers(*shape)
    assert np.array_equal(ours(x), as_array(theirs(as_map(x))))


def test_pointwise_layers():
    x, weight = whole_numbers(4, 5, 3), whole_numbers(3, 2, seed=1)
    assert np.array_equal(layers.conv1x1(x, weight), x @ weight)
    expected = F.leaky_relu(torch.from_numpy(x), 0.2).numpy()
    assert np.array_equal(layers.leaky_relu(x), expected) and np.array_equal(x, expected)

"""Features of the random network."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from small import noise

from sgan.judging.features import N_FEATURES, RandomNetwork, picture_features, resize_square, to_tensor


def test_the_random_network_never_changes():
    """A known picture gives known features: the same network on every machine and in every version."""
    pictures = np.arange(64 * 64 * 3).reshape(1, 64, 64, 3).astype(np.uint8)
    row = picture_features(pictures)[0]
    assert row.shape == (N_FEATURES,)
    assert row[:4].tolist() == pytest.approx(KNOWN_FEATURES, rel=1e-3)


KNOWN_FEATURES = [0.217865, 0.116034, 0.299366, -0.252283]


def test_features_against_numpy():
    network = RandomNetwork()
    x = to_tensor(noise(1, 64, smooth=2))
    expected = x.numpy()[0].astype(np.float64)
    for kernel in network.kernels:
        weights = kernel.numpy().astype(np.float64)
        padded = np.pad(expected, ((0, 0), (1, 1), (1, 1)))
        windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
        maps = np.einsum("oikl,ihwkl->ohw", weights, windows)
        maps = np.where(maps > 0, maps, 0.2 * maps)
        expected = maps.reshape(len(maps), maps.shape[1] // 2, 2, maps.shape[2] // 2, 2).mean(axis=(2, 4))
    expected = network.projection.numpy() @ expected.reshape(-1)
    assert np.allclose(network(x)[0], expected, rtol=1e-3, atol=1e-4)


def test_resizing_averages_and_enlarges():
    images = torch.rand(1, 3, 8, 8)
    assert torch.allclose(resize_square(images, 4), F.avg_pool2d(images, 2))
    assert resize_square(images, 16).shape == (1, 3, 16, 16)
    assert torch.equal(resize_square(images, 8), images)

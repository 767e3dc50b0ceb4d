"""Facts of the detail network: it enlarges before it learns, any size, and its crops are crops of the whole."""

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from sgan.networks.detail import (
    NOISE_SIDE,
    CropDiscriminator,
    DetailNetwork,
    add_detail,
    enlarge,
    to_channels,
    to_pixels,
)


@pytest.fixture
def network():
    """A small one whose last layer is not zero."""
    torch.manual_seed(0)
    network = DetailNetwork(channels=8, deep_blocks=1, last_channels=4)
    for conv in (network.noise, network.grow1):
        torch.nn.init.normal_(conv.weight, std=0.1)
    return network.requires_grad_(False)


@pytest.mark.parametrize("shape", [(1, 3, 16, 16), (2, 3, 7, 10), (1, 3, 9, 5)])
def test_enlarging_is_bicubic(shape):
    img = torch.rand(shape)
    expected = F.interpolate(img, scale_factor=4, mode="bicubic", align_corners=False)
    torch.testing.assert_close(enlarge(img), expected, atol=2e-6, rtol=0)


def test_untrained_network_only_enlarges():
    img = torch.rand(2, 3, 12, 16)
    assert torch.equal(DetailNetwork()(img), enlarge(img))


@pytest.mark.parametrize("size", [(16, 16), (15, 16), (9, 11), (2, 3)])
def test_any_size_grows_fourfold(network, size):
    made = network(torch.rand(2, 3, *size))
    assert made.shape == (2, 3, 4 * size[0], 4 * size[1])
    assert made.dtype == torch.float32


def test_result_of_crop_is_crop_of_result(network):
    img = torch.rand(1, 3, 64 + 96, 64 + 96)
    at = NOISE_SIDE  # the fixed noise begins anew here
    whole, part = network(img)[:, :, 4 * at :, 4 * at :], network(img[:, :, at:, at:])
    border = 4 * 20  # the network looks at 20 small pixels around one
    torch.testing.assert_close(part[:, :, border:, border:], whole[:, :, border:, border:])
    assert not torch.allclose(part[:, :, :border], whole[:, :, :border])


def test_even_surface_gets_grain_that_does_not_repeat_with_the_pixels(network):
    detail = network.detail(torch.full((1, 3, 48, 48), 0.3))[0, 0, 80:-80, 80:-80]
    squares = detail.reshape(8, 4, 8, 4).transpose(1, 2).reshape(64, 16)
    assert squares.std(dim=0).min() > 0.1 * squares.mean(dim=0).std() > 0
    assert torch.equal(network.detail(torch.full((1, 3, 48, 48), 0.3))[0, 0, 80:-80, 80:-80], detail)


def test_picture_does_not_depend_on_its_batch(network):
    pictures = np.random.default_rng(0).integers(0, 256, (3, 12, 10, 3), np.uint8)
    together = add_detail(network, pictures)
    assert together.shape == (3, 48, 40, 3) and together.dtype == np.uint8
    for i in range(3):
        assert np.array_equal(add_detail(network, pictures[i : i + 1])[0], together[i])


def test_bfloat16_feature_maps_come_close(network):
    img = torch.rand(1, 3, 16, 16)
    made = network(img, torch.bfloat16)
    assert made.dtype == torch.float32
    assert 0 < (made - network(img)).abs().max() < 0.1


def test_channels_and_pixels_are_inverse():
    x = torch.rand(2, 3, 8, 12)
    packed = to_channels(x, 2)
    assert packed.shape == (2, 12, 4, 6)
    assert torch.equal(to_pixels(packed, 2), x)
    assert torch.equal(packed[:, 3:6], x[:, :, 0::2, 1::2])  # row, column, colour


def test_discriminator_judges_places_and_sees_the_small_picture():
    torch.manual_seed(0)
    D, large, small = CropDiscriminator(), torch.rand(2, 3, 64, 64), torch.rand(2, 3, 16, 16)
    logits, features = D(large, small)
    assert logits.shape == (2, 1, 4, 4) and len(features) == 3
    assert not torch.equal(D(large, small.flip(3))[0], logits)
    assert not torch.equal(D(large.flip(3), small)[0], logits)

"""Facts of the generator and the discriminator."""

import pytest
import torch

from sgan.config import ModelConfig
from sgan.networks.generator import Discriminator, Generator, swap_layers
from sgan.networks.ops import RESAMPLING

TINY = dict(max_step=2, n_fc=2, dim_latent=8, channel_base=64, channel_max=8)


@pytest.fixture
def G():
    torch.manual_seed(0)
    return Generator(ModelConfig(**TINY)).eval()


def randomize(network):
    """Gives every parameter that starts at zero a value, so that ignoring it shows."""
    with torch.no_grad():
        for parameter in network.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.3)


def test_shapes_at_every_step(G):
    D = Discriminator(G.config)
    z = torch.randn(3, 8)
    for step, side in enumerate((4, 8, 16)):
        img = G(z, step=step)
        assert img.shape == (3, 3, side, side) and img.dtype == torch.float32
        assert D(img, step=step).shape == (3,)


def test_alpha_zero_is_the_upsampled_picture_of_the_step_below(G):
    randomize(G)
    ws = G.mapping(torch.randn(2, 8))
    below = G.synthesis(ws, step=1)
    faded = G.synthesis(ws, step=2, alpha=0.0)
    expected = torch.nn.functional.interpolate(below, scale_factor=2, mode="bilinear")
    assert torch.allclose(faded, expected, atol=1e-5)
    half, full = G.synthesis(ws, step=2, alpha=0.5), G.synthesis(ws, step=2, alpha=1.0)
    assert torch.allclose(half, (faded + full) / 2, atol=1e-5)


def test_discriminator_with_alpha_zero_sees_only_the_halved_picture(G):
    D = Discriminator(G.config)
    randomize(D)
    img = torch.randn(4, 3, 16, 16)
    below = D(torch.nn.functional.avg_pool2d(img, 2), step=1)
    assert torch.allclose(D(img, step=2, alpha=0.0), below, atol=1e-5)
    assert not torch.allclose(D(img, step=2, alpha=1.0), below, atol=1e-3)


def test_truncation(G):
    z = torch.randn(2, 8)
    G.mapping.w_avg.copy_(torch.randn(8))
    full = G.mapping(z)
    assert torch.equal(G.mapping(z, truncation_psi=1.0), full)
    zero = G.mapping(z, truncation_psi=0.0)
    assert torch.allclose(zero, G.mapping.w_avg.expand_as(zero))


def test_w_avg_moves_towards_the_mean_of_w(G):
    z = torch.randn(64, 8)
    for _ in range(3000):
        ws = G.mapping(z, update_w_avg=True)
    assert torch.allclose(G.mapping.w_avg, ws[:, 0].mean(dim=0), atol=0.01)


def test_noise_modes(G):
    randomize(G)
    ws = G.mapping(torch.randn(1, 8))
    const = G.synthesis(ws, noise_mode="const")
    assert torch.equal(const, G.synthesis(ws, noise_mode="const"))
    assert not torch.allclose(const, G.synthesis(ws, noise_mode="none"), atol=1e-3)
    assert not torch.allclose(G.synthesis(ws, noise_mode="random"), G.synthesis(ws, noise_mode="random"), atol=1e-3)


def test_swapping_layers_changes_only_their_styles(G):
    config = G.config
    ws, other = torch.zeros(1, config.num_ws, 8), torch.ones(1, config.num_ws, 8)
    taken = {layer: swap_layers(ws, other, config, [layer])[0, :, 0].nonzero().flatten().tolist() for layer in range(3)}
    assert taken == {0: [0], 1: [1, 2], 2: [3, 4, 5]}
    assert torch.equal(swap_layers(ws, other, config, range(3)), other)
    assert torch.equal(swap_layers(ws, other, config, []), ws)


def test_a_coarse_layer_changes_low_steps_and_a_fine_one_does_not(G):
    randomize(G)
    ws, other = G.mapping(torch.randn(1, 8)), G.mapping(torch.randn(1, 8))
    before = G.synthesis(ws, step=0)
    assert torch.equal(G.synthesis(swap_layers(ws, other, G.config, [2]), step=0), before)
    assert not torch.allclose(G.synthesis(swap_layers(ws, other, G.config, [0]), step=0), before, atol=1e-4)


@pytest.mark.parametrize("resample", RESAMPLING)
def test_bfloat16_stays_close(resample):
    torch.manual_seed(0)
    G = Generator(ModelConfig(**TINY, resample=resample))
    z = torch.randn(2, 8)
    exact, rounded = G(z), G(z, dtype=torch.bfloat16)
    assert rounded.dtype == torch.float32
    assert (exact - rounded).abs().max() < 0.1


def test_model_settings_shape_the_networks():
    G = Generator(ModelConfig(max_step=2, n_fc=3, dim_latent=16, dim_input=8, channel_base=64, channel_max=8))
    names = dict(G.named_parameters())
    assert names["synthesis.b8.const"].shape == (8, 8, 8) and not any(".b4." in name for name in names)
    assert {name.split(".")[1] for name in names if name.startswith("mapping")} == {"fc0", "fc1", "fc2"}
    assert names["mapping.fc0.weight"].shape == (16, 16)
    assert names["synthesis.b16.conv1.weight"].shape == (4, 4, 3, 3)
    assert G(torch.randn(1, 16)).shape == (1, 3, 16, 16)

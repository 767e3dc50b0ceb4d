"""Facts of the layers, against float64 references."""

import pytest
import torch
import torch.nn.functional as F

from sgan.config import ModelConfig
from sgan.networks import ops


def test_equalized_linear_scales_weight_and_bias():
    layer = ops.EqualizedLinear(9, 5, bias_init=2.0, lr_mult=0.5)
    x = torch.randn(4, 9)
    expected = x @ (layer.weight * 0.5 / 3).T + layer.bias * 0.5
    assert torch.allclose(layer(x), expected, atol=1e-6)
    assert torch.allclose(layer.bias * 0.5, torch.full((5,), 2.0))


def test_equalized_layers_keep_unit_variance():
    torch.manual_seed(0)
    x = torch.randn(64, 128)
    assert ops.EqualizedLinear(128, 256)(x).std().item() == pytest.approx(1, abs=0.05)
    y = ops.EqualizedConv2d(32, 32, 3)(torch.randn(4, 32, 16, 16))[..., 1:-1, 1:-1]
    assert y.std().item() == pytest.approx(1, abs=0.05)


def per_sample_convolution(x, weight, styles):
    """The textbook form: a modulated, demodulated weight for each sample (arXiv 1912.04958, equations 1 to 3)."""
    out = []
    for image, style in zip(x, styles):
        w = weight * style[None, :, None, None]
        w = w * (w.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        out.append(F.conv2d(image[None], w, padding=1))
    return torch.cat(out)


def test_shared_weight_form_equals_per_sample_weights():
    torch.manual_seed(1)
    x, weight, styles = torch.randn(3, 6, 9, 9), torch.randn(8, 6, 3, 3), torch.randn(3, 6) + 1
    shared = ops.modulated_conv2d(x, weight, styles) * ops.demodulation(weight, styles)[:, :, None, None]
    reference = per_sample_convolution(x.double(), weight.double(), styles.double())
    assert (shared - reference).abs().max() < 1e-5


def test_demodulated_output_has_unit_variance():
    torch.manual_seed(2)
    x, weight, styles = torch.randn(16, 24, 20, 20), torch.randn(32, 24, 3, 3) * 7, torch.rand(16, 24) * 5 + 0.1
    y = ops.modulated_conv2d(x, weight, styles) * ops.demodulation(weight, styles)[:, :, None, None]
    assert y[..., 1:-1, 1:-1].std().item() == pytest.approx(1, abs=0.03)


def test_modulated_convolution_gradients():
    torch.manual_seed(3)
    x = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)
    weight = torch.randn(2, 3, 3, 3, dtype=torch.float64, requires_grad=True)
    styles = torch.randn(2, 3, dtype=torch.float64, requires_grad=True)

    def layer(x, weight, styles):
        return ops.modulated_conv2d(x, weight, styles) * ops.demodulation(weight, styles)[:, :, None, None]

    assert torch.autograd.gradcheck(layer, (x, weight, styles))


@pytest.mark.parametrize("name", ops.RESAMPLING)
def test_a_resampling_keeps_a_constant_and_doubles_or_halves(name):
    way, x = ops.RESAMPLING[name], torch.full((1, 2, 8, 8), 3.0)
    up, down = way.up(x), way.down(x)
    assert (up.shape, down.shape) == ((1, 2, 16, 16), (1, 2, 4, 4))
    assert torch.allclose(up[..., 2:-2, 2:-2], torch.tensor(3.0))
    assert torch.allclose(down[..., 1:-1, 1:-1], torch.tensor(3.0))
    conv, one = ops.EqualizedConv2d(2, 5, 3), torch.ones(1, 2)
    smaller, larger = way.convolve_down(conv, x, 2.0), way.convolve_up(x, conv.weight, one)
    assert (smaller.shape, larger.shape) == ((1, 5, 4, 4), (1, 5, 16, 16))
    inside = 2.0 * 3.0 * conv.weight_gain * conv.weight.sum(dim=(1, 2, 3))  # of a constant: the sum of the weights
    assert torch.allclose(smaller[0, :, 1:-1, 1:-1], inside[:, None, None].expand(-1, 2, 2), rtol=1e-4, atol=1e-4)
    expected = (3.0 * conv.weight.sum(dim=(1, 2, 3)))[:, None, None].expand(-1, 8, 8)
    assert torch.allclose(larger[0, :, 4:-4, 4:-4], expected, rtol=1e-4, atol=1e-4)
    assert name in ModelConfig.__dataclass_fields__["resample"].metadata["choices"] and "\n" not in way.help


def test_fir_equals_an_explicit_convolution():
    x = torch.randn(1, 1, 6, 6, dtype=torch.float64)
    taps = torch.tensor([1.0, 3, 3, 1], dtype=torch.float64) / 8
    stuffed = torch.zeros(1, 1, 12, 12, dtype=torch.float64)
    stuffed[..., ::2, ::2] = x
    padded = F.pad(stuffed, (2, 1, 2, 1))
    expected = torch.zeros(12, 12, dtype=torch.float64)
    for i in range(4):
        for j in range(4):
            expected += 4 * taps[i] * taps[j] * padded[0, 0, i : i + 12, j : j + 12]
    assert (ops.upsample_fir(x)[0, 0] - expected).abs().max() < 1e-6
    padded = F.pad(x, (1, 1, 1, 1))
    down = sum(taps[i] * taps[j] * padded[0, 0, i : i + 5, j : j + 5] for i in range(4) for j in range(4))[::2, ::2]
    assert (ops.downsample_fir(x)[0, 0] - down).abs().max() < 1e-6


def test_fast_and_fir_upsampling_agree_inside():
    x = torch.randn(1, 3, 8, 8)
    fast, fir = ops.upsample_bilinear(x), ops.upsample_fir(x)
    assert (fast - fir)[..., 1:-1, 1:-1].abs().max() < 1e-5


def test_fast_downsampling_is_the_mean_of_four():
    x = torch.arange(16.0).reshape(1, 1, 4, 4)
    assert ops.downsample_mean(x).flatten().tolist() == [2.5, 4.5, 10.5, 12.5]


def test_normalize_2nd_moment_gives_mean_square_one():
    y = ops.normalize_2nd_moment(torch.randn(5, 64) * 9)
    assert torch.allclose(y.square().mean(dim=1), torch.ones(5), atol=1e-5)


def test_minibatch_stddev_of_equal_samples_is_zero_and_groups_are_consecutive():
    same = torch.ones(4, 2, 3, 3).repeat_interleave(1, dim=0)
    assert ops.minibatch_stddev(same, 4)[:, -1].abs().max() < 1e-3
    torch.manual_seed(0)
    x = torch.randn(8, 2, 3, 3)
    whole, halves = ops.minibatch_stddev(x, 4), [ops.minibatch_stddev(part, 4) for part in x.split(4)]
    assert torch.equal(whole, torch.cat(halves))


def test_minibatch_stddev_is_the_mean_deviation_of_the_group():
    x = torch.randn(4, 2, 3, 3)
    expected = x.std(dim=0, correction=0).mean()
    assert torch.allclose(ops.minibatch_stddev(x, 4)[:, -1], expected, atol=1e-4)


def test_minibatch_stddev_takes_any_batch_size():
    assert ops.minibatch_stddev(torch.randn(6, 2, 3, 3), 4).shape == (6, 3, 3, 3)
    assert ops.minibatch_stddev(torch.randn(1, 2, 3, 3), 4).shape == (1, 3, 3, 3)

"""Layers of style-based networks in plain PyTorch: equalised weights, modulated convolution, resampling.

Tensors are NCHW, in `channels_last` memory where the layers keep it. Nothing is compiled when this is imported.
"""

import math
from collections.abc import Callable
from typing import NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

LRELU_SLOPE = 0.2
LRELU_GAIN = math.sqrt(2.0)  # restores the variance that a leaky ReLU takes away (arXiv 1710.10196, section 4.1)
DEMODULATION_EPS = 1e-8  # arXiv 1912.04958, equation 3
FIR_TAPS = (1.0, 3.0, 3.0, 1.0)  # the resampling filter of StyleGAN2, normalised below


def normal(*shape: int, over: float = 1.0) -> Tensor:
    """Standard normal numbers divided by `over`, float32.

    On the meta device nothing is drawn: PyTorch would import its compiler for it, which takes seconds.
    """
    x = torch.empty(shape)
    return x if x.is_meta else x.normal_().div_(over)


class EqualizedLinear(nn.Module):
    """Fully connected layer whose weight is scaled at run time (arXiv 1710.10196, section 4.1).

    weight [out, in] starts as N(0, 1) / lr_mult; the effective weight is weight * lr_mult / sqrt(in), so that the
    optimiser's step size is the same relative to every layer's scale. `lr_mult` slows a layer down (the mapping
    network uses 0.01). `gain` multiplies the weight alone.
    """

    def __init__(
        self, in_features: int, out_features: int, bias_init: float = 0.0, lr_mult: float = 1.0, gain: float = 1.0
    ):
        super().__init__()
        self.weight = nn.Parameter(normal(out_features, in_features, over=lr_mult))
        self.bias = nn.Parameter(torch.full((out_features,), float(bias_init) / lr_mult))
        self.weight_gain = gain * lr_mult / math.sqrt(in_features)
        self.bias_gain = lr_mult

    def forward(self, x: Tensor, act_gain: float = 1.0) -> Tensor:
        """x [N, in] -> [N, out]; act_gain multiplies weight and bias (a leaky ReLU's gain, folded in)."""
        return F.linear(x, self.weight * (self.weight_gain * act_gain), self.bias * (self.bias_gain * act_gain))


class EqualizedConv2d(nn.Module):
    """Convolution with run-time weight scaling; keeps the size (padding k // 2). `gain` multiplies the weight alone."""

    def __init__(self, in_channels: int, out_channels: int, kernel_size: int, bias: bool = True, gain: float = 1.0):
        super().__init__()
        weight = normal(out_channels, in_channels, kernel_size, kernel_size)
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if bias else None
        self.weight_gain = gain / math.sqrt(in_channels * kernel_size**2)
        self.padding = kernel_size // 2

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """x [N, in, H, W] -> gain * (conv(x) + bias), [N, out, H, W], in x's dtype."""
        weight = (self.weight * (self.weight_gain * gain)).to(x.dtype)
        bias = None if self.bias is None else (self.bias * gain).to(x.dtype)
        return F.conv2d(x, weight, bias, padding=self.padding)


def demodulation(weight: Tensor, styles: Tensor) -> Tensor:
    """Coefficients d [N, O] that give modulated weights unit norm (arXiv 1912.04958, equation 3).

    weight [O, I, k, k], styles [N, I]. d_no = 1 / sqrt(sum_i s_ni^2 * sum_k w_oik^2): one small matrix product instead
    of a copy of the weights for every sample.
    """
    energy = weight.square().sum(dim=(2, 3))  # [OI]
    return (styles.square() @ energy.t() + DEMODULATION_EPS).rsqrt()


def modulated_conv2d(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """Convolution with one shared weight on style-scaled input, before demodulation.

    x [N, I, H, W], weight [O, I, k, k], styles [N, I] -> [N, O, H, W] in x's dtype. Multiplying the output by
    `demodulation(weight, styles)` makes it equal to a convolution with per-sample modulated and demodulated weights
    (arXiv 1912.04958, equations 1 to 3).
    """
    x = x * styles.to(x.dtype)[:, :, None, None]
    return F.conv2d(x, weight.to(x.dtype), padding=weight.shape[-1] // 2)


def modulated_conv2d_up(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    """modulated_conv2d at twice the size: x [N, I, H, W] -> [N, O, 2H, 2W], in StyleGAN2's order.

    A transposed convolution with stride 2, then the filter with one pixel more on each side: at the borders this is
    not the same as up-sampling first, and public StyleGAN2 weights were trained with it.
    """
    x = x * styles.to(x.dtype)[:, :, None, None]
    x = F.conv_transpose2d(x, weight.to(x.dtype).transpose(0, 1), stride=2)  # [N, O, 2H + 1, 2W + 1]
    return fir_filter(x, padding=(1, 1), gain=4.0)


def fir_kernel(device: torch.device | None = None) -> Tensor:
    """The separable StyleGAN2 filter as a [4, 4] kernel whose sum is 1."""
    taps = torch.tensor(FIR_TAPS, device=device)
    kernel = torch.outer(taps, taps)
    return kernel / kernel.sum()


def fir_filter(x: Tensor, padding: tuple[int, int], gain: float = 1.0) -> Tensor:
    """x [N, C, H, W] padded by (before, after) on both axes and filtered by `fir_kernel` * gain, per channel."""
    channels = x.shape[1]
    kernel = (fir_kernel(x.device) * gain).to(x.dtype).expand(channels, 1, 4, 4)
    before, after = padding
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, groups=channels)


def upsample_bilinear(x: Tensor) -> Tensor:
    """x [N, C, H, W] -> [N, C, 2H, 2W], repeating the edge.

    In the interior it is `upsample_fir`: [1, 3, 3, 1] on a zero-stuffed grid is bilinear interpolation.
    """
    return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


def upsample_fir(x: Tensor) -> Tensor:
    """x [N, C, H, W] -> [N, C, 2H, 2W] by StyleGAN2's filter, with zeros around."""
    n, c, h, w = x.shape
    stuffed = x.new_zeros(n, c, h, 2, w, 2)
    stuffed[:, :, :, 0, :, 0] = x
    return fir_filter(stuffed.reshape(n, c, 2 * h, 2 * w), padding=(2, 1), gain=4.0)


def downsample_mean(x: Tensor) -> Tensor:
    """x [N, C, 2H, 2W] -> [N, C, H, W], the mean of 2 x 2 pixels."""
    return F.avg_pool2d(x, 2)


def downsample_fir(x: Tensor) -> Tensor:
    """x [N, C, 2H, 2W] -> [N, C, H, W] by StyleGAN2's filter, then every second pixel."""
    return fir_filter(x, padding=(1, 1))[:, :, ::2, ::2]


def _convolve_up_fast(x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
    return upsample_bilinear(modulated_conv2d(x, weight, styles))  # convolving first costs a quarter


def _convolve_down_fast(conv: EqualizedConv2d, x: Tensor, gain: float) -> Tensor:
    return conv(downsample_mean(x), gain)  # and here averaging first


def _convolve_down_fir(conv: EqualizedConv2d, x: Tensor, gain: float) -> Tensor:
    """Filter with one pixel more on each side, then a stride-2 convolution without padding: StyleGAN2's order."""
    weight = (conv.weight * (conv.weight_gain * gain)).to(x.dtype)
    return F.conv2d(fir_filter(x, padding=(2, 2)), weight, (conv.bias * gain).to(x.dtype), stride=2)


class Resampling(NamedTuple):
    """One way to double and to halve feature maps and pictures.

    up(x), down(x); convolve_up(x, weight, styles) is a modulated convolution at twice the size, and
    convolve_down(conv, x, gain) that of an EqualizedConv2d, its result halved.
    """

    up: Callable[[Tensor], Tensor]
    help: str
    down: Callable[[Tensor], Tensor]
    convolve_up: Callable[[Tensor, Tensor, Tensor], Tensor]
    convolve_down: Callable[[EqualizedConv2d, Tensor, float], Tensor]


RESAMPLING = {
    "fast": Resampling(
        upsample_bilinear, "bilinear, and means of 2 x 2", downsample_mean, _convolve_up_fast, _convolve_down_fast
    ),
    "fir": Resampling(upsample_fir, "StyleGAN2's filter", downsample_fir, modulated_conv2d_up, _convolve_down_fir),
}  # by the names that ModelConfig.resample has


def clamp(x: Tensor, bound: float) -> Tensor:
    """x cut to [-bound, bound]; x itself when bound is 0, which stands for none."""
    return x.clamp(-bound, bound) if bound else x


def normalize_2nd_moment(x: Tensor, eps: float = 1e-8) -> Tensor:
    """x [N, C] scaled so that the mean square of every row is 1 (arXiv 1710.10196, section 4.2)."""
    return x * (x.square().mean(dim=1, keepdim=True) + eps).rsqrt()


def group_of(n: int, group_size: int) -> int:
    """Samples in each group of n: group_size, or where n is no multiple of it the largest divisor of n below it.

    In groups of 1 nothing varies, and the minibatch statistics tell nothing.
    """
    return next(size for size in range(min(group_size, n), 0, -1) if n % size == 0)


def minibatch_stddev(x: Tensor, group_size: int) -> Tensor:
    """x [N, C, H, W] -> [N, C + 1, H, W] with each group's mean standard deviation as one more channel.

    arXiv 1710.10196, section 3. Groups are consecutive samples, so that cutting a batch at group borders (gradient
    accumulation, several workers) changes nothing. Their size is `group_of(N, group_size)`.
    """
    n, c, h, w = x.shape
    group = group_of(n, group_size)
    y = x.float().reshape(n // group, group, c, h, w)
    y = y - y.mean(dim=1, keepdim=True)
    y = (y.square().mean(dim=1) + 1e-8).sqrt().mean(dim=(1, 2, 3))  # [n // group]
    y = y.repeat_interleave(group)[:, None, None, None].expand(n, 1, h, w)
    return torch.cat([x, y.to(x.dtype)], dim=1)

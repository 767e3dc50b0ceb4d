"""The reference design: StyleGAN2 as it is usually written, to compare speed with. Written from the paper.

A weight for every sample and one grouped convolution over the batch, NCHW memory, FIR filters around every change of
size, and bias, activation and gain as steps of their own; widths and names as in `networks.generator`, so that
`training.step` trains it. It does not grow.
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sgan.config import ModelConfig
from sgan.networks.generator import MappingNetwork
from sgan.networks.ops import EqualizedLinear, fir_kernel, minibatch_stddev

GAIN = math.sqrt(2.0)


def resample(x: Tensor, pad: tuple[int, int], up: int = 1, down: int = 1, gain: float = 1.0) -> Tensor:
    """x [N, C, H, W] with zeros between its pixels (up), padded, filtered per channel, and every down-th pixel kept."""
    n, c, h, w = x.shape
    if up > 1:
        x = F.pad(x.reshape(n, c, h, 1, w, 1), (0, up - 1, 0, 0, 0, up - 1)).reshape(n, c, h * up, w * up)
    x = F.pad(x, (pad[0], pad[1], pad[0], pad[1]))
    kernel = (fir_kernel(x.device) * gain).to(x.dtype)[None, None].repeat(c, 1, 1, 1)
    return F.conv2d(x, kernel, groups=c)[:, :, ::down, ::down]


def bias_act(x: Tensor, bias: Tensor, gain: float = GAIN) -> Tensor:
    """gain * leaky_relu(x + bias)."""
    return F.leaky_relu(x + bias.to(x.dtype)[None, :, None, None], 0.2) * gain


def modulated_conv(x: Tensor, weight: Tensor, styles: Tensor, up: bool = False, demodulate: bool = True) -> Tensor:
    """One convolution per sample, each with weights of its own (arXiv 1912.04958, equations 1 to 3)."""
    n, channels, height, width = x.shape
    weights = weight[None] * styles[:, None, :, None, None]  # [NOIkk]
    if demodulate:
        weights = weights * (weights.square().sum(dim=(2, 3, 4), keepdim=True) + 1e-8).rsqrt()
    weights, x = weights.to(x.dtype), x.reshape(1, n * channels, height, width)
    if up:
        x = F.conv_transpose2d(x, weights.transpose(1, 2).flatten(0, 1), stride=2, groups=n)
        return resample(x.reshape(n, -1, *x.shape[2:]), (1, 1), gain=4.0)
    x = F.conv2d(x, weights.flatten(0, 1), padding=weight.shape[-1] // 2, groups=n)
    return x.reshape(n, -1, height, width)


class Layer(nn.Module):
    """Modulated convolution, noise, bias and activation."""

    def __init__(self, channels: int, out_channels: int, config: ModelConfig, up: bool = False):
        super().__init__()
        self.up = up
        self.affine = EqualizedLinear(config.dim_latent, channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, channels, 3, 3))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [N, I, H, W], w [N, w_dim] -> [N, O, H', W']."""
        x = modulated_conv(x, self.weight, self.affine(w), self.up)
        noise = torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device) * self.noise_strength
        return bias_act(x + noise.to(x.dtype), self.bias)


class ToRGB(nn.Module):
    """Modulated 1x1 convolution to colour."""

    def __init__(self, channels: int, config: ModelConfig):
        super().__init__()
        self.affine = EqualizedLinear(config.dim_latent, channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(3, channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [N, C, H, W] -> [N, 3, H, W] float32."""
        styles = self.affine(w) / math.sqrt(x.shape[1])
        return (modulated_conv(x, self.weight, styles, demodulate=False)).float() + self.bias[None, :, None, None]


class Synthesis(nn.Module):
    """ws -> image by output skips."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config, below = config, 0
        for size in config.block_resolutions:
            channels = config.channels(size)
            if below:
                self.add_module(f"conv0_{size}", Layer(below, channels, config, up=True))
            else:
                self.const = nn.Parameter(torch.randn(channels, size, size))
            self.add_module(f"conv1_{size}", Layer(channels, channels, config))
            self.add_module(f"torgb_{size}", ToRGB(channels, config))
            below = channels

    def forward(self, ws: Tensor, step=None, alpha=1.0, noise_mode="random", dtype=torch.float32) -> Tensor:
        """ws [N, num_ws, w_dim] -> images [N, 3, R, R] float32."""
        x, img, i = self.const.to(dtype)[None].repeat(len(ws), 1, 1, 1), None, 0
        for size in self.config.block_resolutions:
            if img is not None:
                x, i = getattr(self, f"conv0_{size}")(x, ws[:, i]), i + 1
            x, i = getattr(self, f"conv1_{size}")(x, ws[:, i]), i + 1
            rgb = getattr(self, f"torgb_{size}")(x, ws[:, i])
            img = rgb if img is None else resample(img, (2, 1), up=2, gain=4.0) + rgb
        return img


class Generator(nn.Module):
    """Mapping and synthesis."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config, self.mapping, self.synthesis = config, MappingNetwork(config), Synthesis(config)


class Conv(nn.Module):
    """Equalised convolution, bias and activation; filters and halves the size where `down`."""

    def __init__(self, channels: int, out_channels: int, k: int, down: bool = False, act: bool = True):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, channels, k, k))
        self.bias = nn.Parameter(torch.zeros(out_channels)) if act else None
        self.down, self.weight_gain = down, 1 / math.sqrt(channels * k * k)

    def forward(self, x: Tensor, gain: float = 1.0) -> Tensor:
        """x [N, I, H, W] -> [N, O, H', W']."""
        weight, k = (self.weight * self.weight_gain).to(x.dtype), self.weight.shape[-1]
        if self.down and k == 1:
            x = F.conv2d(resample(x, (1, 1), down=2), weight)
        elif self.down:
            x = F.conv2d(resample(x, (2, 2)), weight, stride=2)
        else:
            x = F.conv2d(x, weight, padding=k // 2)
        return x * gain if self.bias is None else bias_act(x, self.bias, GAIN * gain)


class Discriminator(nn.Module):
    """Images -> logits by residual blocks."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        *upper, lowest = reversed(config.block_resolutions)
        self.fromrgb = Conv(3, config.channels(config.resolution), 1)
        for size in upper:
            channels, below = config.channels(size), config.channels(size // 2)
            self.add_module(f"conv0_{size}", Conv(channels, channels, 3))
            self.add_module(f"conv1_{size}", Conv(channels, below, 3, down=True))
            self.add_module(f"skip_{size}", Conv(channels, below, 1, down=True, act=False))
        channels = config.channels(lowest)
        self.conv = Conv(channels + 1, channels, 3)
        self.fc, self.out = EqualizedLinear(channels * lowest**2, channels), EqualizedLinear(channels, 1)

    def forward(self, img: Tensor, step=None, alpha=1.0, dtype=torch.float32) -> Tensor:
        """img [N, 3, R, R] -> logits [N], float32."""
        x = self.fromrgb(img.to(dtype))
        for size in list(reversed(self.config.block_resolutions))[:-1]:
            skip = getattr(self, f"skip_{size}")(x, math.sqrt(0.5))
            x = getattr(self, f"conv0_{size}")(x)
            x = skip + getattr(self, f"conv1_{size}")(x, math.sqrt(0.5))
        x = self.conv(minibatch_stddev(x.float(), self.config.mbstd_group_size))
        x = F.leaky_relu(self.fc(x.flatten(1)), 0.2) * GAIN
        return self.out(x).squeeze(1)

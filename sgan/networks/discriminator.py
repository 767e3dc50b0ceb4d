"""Discriminators: residual or plain StyleGAN2 (arXiv 1912.04958) and the plain one of StyleGAN, entered at any step."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sgan.config import ModelConfig, resolution_of
from sgan.networks.gains import LRELU_GAIN, LRELU_SLOPE, SKIP_GAIN
from sgan.networks.ops import RESAMPLING, EqualizedConv2d, EqualizedLinear, clamp, minibatch_stddev


class DiscriminatorBlock(nn.Module):
    """One resolution: two convolutions, halving the size, beside a 1x1 skip where d_architecture is "resnet"."""

    def __init__(self, channels: int, out_channels: int, config: ModelConfig):
        super().__init__()
        self.resampling, self.bound = RESAMPLING[config.resample], config.conv_clamp
        self.fromrgb = EqualizedConv2d(3, channels, 1)
        self.conv0 = EqualizedConv2d(channels, channels, 3)
        self.conv1 = EqualizedConv2d(channels, out_channels, 3)
        self.skip = (
            EqualizedConv2d(channels, out_channels, 1, bias=False) if config.d_architecture == "resnet" else None
        )

    def from_rgb(self, img: Tensor) -> Tensor:
        """img [N, 3, R, R] -> feature maps [N, channels, R, R]."""
        return clamp(F.leaky_relu_(self.fromrgb(img, LRELU_GAIN), LRELU_SLOPE), self.bound)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, channels, R, R] -> [N, out_channels, R/2, R/2]."""
        y = clamp(F.leaky_relu_(self.conv0(x, LRELU_GAIN), LRELU_SLOPE), self.bound)
        plain = self.skip is None  # else LRELU_GAIN * SKIP_GAIN = 1: activation and residual sum cancel in conv1
        y = self.resampling.convolve_down(self.conv1, y, LRELU_GAIN if plain else 1.0)
        y = clamp(F.leaky_relu_(y, LRELU_SLOPE), self.bound if plain else self.bound * SKIP_GAIN)
        return y if plain else self.skip(self.resampling.down(x), SKIP_GAIN).add_(y)


class DiscriminatorEpilogue(nn.Module):
    """The last block: minibatch standard deviation, convolution, two fully connected layers."""

    def __init__(self, resolution: int, config: ModelConfig):
        super().__init__()
        channels = config.channels(resolution)
        self.mbstd_group_size, self.bound = config.mbstd_group_size, config.conv_clamp
        self.fromrgb = EqualizedConv2d(3, channels, 1)
        self.conv = EqualizedConv2d(channels + 1, channels, 3)
        self.fc = EqualizedLinear(channels * resolution**2, channels)
        self.out = EqualizedLinear(channels, 1)

    def from_rgb(self, img: Tensor) -> Tensor:
        """img [N, 3, R, R] -> feature maps [N, channels, R, R]."""
        return clamp(F.leaky_relu_(self.fromrgb(img, LRELU_GAIN), LRELU_SLOPE), self.bound)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, channels, R, R] -> logits [N], float32."""
        x = minibatch_stddev(x.float(), self.mbstd_group_size)
        x = clamp(F.leaky_relu_(self.conv(x, LRELU_GAIN), LRELU_SLOPE), self.bound)
        x = F.leaky_relu_(self.fc(x.contiguous().flatten(1), act_gain=LRELU_GAIN), LRELU_SLOPE)
        return self.out(x).squeeze(1)


class PlainBlock(nn.Module):
    """One resolution of StyleGAN's discriminator: colours enter linearly, two 3x3 convolutions, then halving.

    Weights carry He's gain sqrt(2), biases none.
    """

    def __init__(self, channels: int, out_channels: int):
        super().__init__()
        self.fromrgb = EqualizedConv2d(3, channels, 1, gain=LRELU_GAIN)
        self.conv0 = EqualizedConv2d(channels, out_channels, 3, gain=LRELU_GAIN)
        self.conv1 = EqualizedConv2d(out_channels, out_channels, 3, gain=LRELU_GAIN)

    def from_rgb(self, img: Tensor) -> Tensor:
        """img [N, 3, R, R] -> feature maps [N, channels, R, R]."""
        return self.fromrgb(img)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, channels, R, R] -> [N, out_channels, R/2, R/2]."""
        x = F.leaky_relu_(self.conv0(x), LRELU_SLOPE)
        return F.avg_pool2d(F.leaky_relu_(self.conv1(x), LRELU_SLOPE), 2)


class PlainEpilogue(nn.Module):
    """The last block of StyleGAN's discriminator; its second convolution covers the whole map and is written as fc."""

    def __init__(self, resolution: int, config: ModelConfig):
        super().__init__()
        channels = config.channels(resolution)
        self.mbstd_group_size = config.mbstd_group_size
        self.fromrgb = EqualizedConv2d(3, channels, 1, gain=LRELU_GAIN)
        self.conv = EqualizedConv2d(channels + 1, channels, 3, gain=LRELU_GAIN)
        self.fc = EqualizedLinear(channels * resolution**2, channels, gain=LRELU_GAIN)
        self.out = EqualizedLinear(channels, 1, gain=LRELU_GAIN)

    def from_rgb(self, img: Tensor) -> Tensor:
        """img [N, 3, R, R] -> feature maps [N, channels, R, R]."""
        return self.fromrgb(img)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, channels, R, R] -> logits [N], float32."""
        x = minibatch_stddev(x.float(), self.mbstd_group_size)
        x = F.leaky_relu_(self.conv(x), LRELU_SLOPE)
        x = F.leaky_relu_(self.fc(x.contiguous().flatten(1)), LRELU_SLOPE)
        return self.out(x).squeeze(1)


class Discriminator(nn.Module):
    """Images -> logits; one block per resolution (arXiv 1912.04958, figure 7c), entered at the current one."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.min_step, self.max_step = config.min_step, config.max_step
        self.halve = RESAMPLING[config.resample if config.arch == "stylegan2" else "fast"].down
        self.sums_colours = config.arch == "stylegan2" and config.d_architecture == "skip"
        *upper, lowest = reversed(config.block_resolutions)
        for resolution in upper:
            channels, below = config.channels(resolution), config.channels(resolution // 2)
            plain = config.arch == "stylegan"
            block = PlainBlock(channels, below) if plain else DiscriminatorBlock(channels, below, config)
            self.add_module(f"b{resolution}", block)
        epilogue = PlainEpilogue if config.arch == "stylegan" else DiscriminatorEpilogue
        self.add_module(f"b{lowest}", epilogue(lowest, config))

    def forward(
        self, img: Tensor, step: int | None = None, alpha: float = 1.0, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """img [N, 3, R, R] in [-1, 1], R = 2^(step+2) -> logits [N], float32.

        alpha < 1 blends the newest block with the colours of the halved picture (arXiv 1710.10196, figure 2). Where
        d_architecture is "skip" these colours are added at every resolution (arXiv 1912.04958, figure 7b).
        """
        step = self.max_step if step is None else step
        img = img.to(dtype=dtype, memory_format=torch.channels_last)
        x = getattr(self, f"b{resolution_of(step)}").from_rgb(img)
        for level in range(step, self.min_step, -1):
            x = getattr(self, f"b{resolution_of(level)}")(x)
            below = getattr(self, f"b{resolution_of(level - 1)}")
            if self.sums_colours:
                img = self.halve(img)
                x = torch.add(below.from_rgb(img), x, alpha=alpha if level == step else 1.0)
            elif level == step and alpha < 1.0:
                x = below.from_rgb(self.halve(img)).lerp(x, alpha)
        return getattr(self, f"b{resolution_of(self.min_step)}")(x)

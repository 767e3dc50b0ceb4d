"""Synthesis network of the first StyleGAN (arXiv 1812.04948), growing one resolution at a time.

Noise, adaptive instance normalisation, activation: the order in which SiskonEmilia/StyleGAN-PyTorch trained its
networks. Weights carry He's gain sqrt(2) at run time, biases none.
"""

import math
from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sgan.config import ModelConfig, resolution_of
from sgan.networks.gains import INSTANCE_EPS, LRELU_GAIN, LRELU_SLOPE
from sgan.networks.ops import EqualizedConv2d, EqualizedLinear, normal, upsample_bilinear


def adain(x: Tensor, style: Tensor) -> Tensor:
    """Adaptive instance normalisation (arXiv 1812.04948, equation 1).

    x [N, C, H, W], style [N, 2C]: each map is brought to mean 0 and variance 1, then scaled by the first half of the
    style and shifted by the second. Statistics are float32, the result has x's dtype.
    """
    variance, mean = torch.var_mean(x.float(), dim=(2, 3), correction=0)  # [NC]
    factor, shift = style.chunk(2, dim=1)
    scale = factor * (variance + INSTANCE_EPS).rsqrt()
    shift = shift - mean * scale
    return torch.addcmul(shift.to(x.dtype)[:, :, None, None], x, scale.to(x.dtype)[:, :, None, None])


class AdainLayer(nn.Module):
    """3x3 convolution (none where in_channels is 0), noise, AdaIN, leaky ReLU."""

    def __init__(self, in_channels: int, channels: int, config: ModelConfig):
        super().__init__()
        self.convolves = in_channels > 0
        if self.convolves:
            self.weight = nn.Parameter(normal(channels, in_channels, 3, 3).to(memory_format=torch.channels_last))
            self.weight_gain = LRELU_GAIN / math.sqrt(9 * in_channels)
            self.bias = nn.Parameter(torch.zeros(channels))
        self.affine = EqualizedLinear(config.dim_latent, 2 * channels, gain=LRELU_GAIN)
        self.affine.bias.data[:channels] = 1.0
        self.noise_strength = nn.Parameter(torch.zeros(channels))
        self.noise_gain = math.sqrt(2.0 / channels)

    def forward(self, x: Tensor, w: Tensor, noise: Tensor | None) -> Tensor:
        """x [N, I, H, W], w [N, w_dim], noise [N or 1, 1, H, W] or None -> [N, C, H, W]."""
        if self.convolves:
            weight = (self.weight * self.weight_gain).to(x.dtype)
            x = F.conv2d(x, weight, self.bias.to(x.dtype), padding=1)
        if noise is not None:
            x = x + noise * (self.noise_strength * self.noise_gain).to(x.dtype)[:, None, None]
        return F.leaky_relu_(adain(x, self.affine(w)), LRELU_SLOPE)


class AdainBlock(nn.Module):
    """One resolution: a constant or a convolution of the up-sampled maps below, then a second convolution."""

    def __init__(self, in_channels: int, resolution: int, config: ModelConfig):
        super().__init__()
        channels = config.channels(resolution)
        if in_channels == 0:
            self.const = nn.Parameter(normal(channels, resolution, resolution))
        self.conv0 = AdainLayer(in_channels, channels, config)
        self.conv1 = AdainLayer(channels, channels, config)
        self.register_buffer("noise_const", normal(resolution, resolution))
        self.torgb = EqualizedConv2d(channels, 3, 1, gain=LRELU_GAIN)

    def forward(self, x: Tensor | None, ws: Tensor, noise_mode: str, dtype: torch.dtype) -> Tensor:
        """x [N, I, H, W], already of this size (None in the first block), ws [N, 2, w_dim] -> [N, C, H, W].

        Both layers of a block get the same noise, each with strengths of its own by channel.
        """
        if x is None:
            x = self.const.to(dtype)[None].repeat(ws.shape[0], 1, 1, 1).contiguous(memory_format=torch.channels_last)
        noise = self._noise(x, noise_mode)
        return self.conv1(self.conv0(x, ws[:, 0], noise), ws[:, 1], noise)

    def _noise(self, x: Tensor, noise_mode: str) -> Tensor | None:
        """Noise [N or 1, 1, H, W] in x's dtype, or None for none."""
        if noise_mode == "none":
            return None
        if noise_mode == "const":
            return self.noise_const[None, None].to(x.dtype)
        return torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device).to(x.dtype)

    def to_rgb(self, x: Tensor) -> Tensor:
        """Feature maps [N, C, H, W] -> colours [N, 3, H, W] float32."""
        return self.torgb(x.float())


class BlockPerResolution(nn.Module):
    """A synthesis network of blocks `bN`, one for each resolution N, so that it can be left at any of them.

    make_block(channels below, N, config) builds one; there are 0 channels below the first.
    """

    def __init__(self, config: ModelConfig, make_block: Callable[[int, int, ModelConfig], nn.Module]):
        super().__init__()
        self.config = config
        self.min_step, self.max_step = config.min_step, config.max_step
        in_channels = 0
        for resolution in config.block_resolutions:
            self.add_module(f"b{resolution}", make_block(in_channels, resolution, config))
            in_channels = config.channels(resolution)


class AdainSynthesis(BlockPerResolution):
    """ws -> image; only the newest resolution colours, blended with the one below while it fades in."""

    def __init__(self, config: ModelConfig):
        super().__init__(config, AdainBlock)

    def forward(
        self,
        ws: Tensor,
        step: int | None = None,
        alpha: float = 1.0,
        noise_mode: str = "const",
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """ws [N, num_ws, w_dim] -> images [N, 3, R, R] float32, about [-1, 1], R = 2^(step+2) (None: max_step).

        noise_mode is "random", "const" or "none". dtype is that of the feature maps; colour stays float32.
        """
        step = self.max_step if step is None else step
        x = before = None
        for level in range(self.min_step, step + 1):
            block = getattr(self, f"b{resolution_of(level)}")
            first = 2 * (level - self.min_step)
            before, below = x, getattr(self, f"b{resolution_of(level - 1)}", None)
            x = block(None if x is None else upsample_bilinear(x), ws[:, first : first + 2], noise_mode, dtype)
        img = block.to_rgb(x)
        if alpha < 1.0 and before is not None:  # a 1x1 convolution may as well come before the up-sampling
            img = upsample_bilinear(below.to_rgb(before)).lerp(img, alpha)
        return img

"""Generator (mapping + synthesis) and discriminator of StyleGAN2, able to grow one resolution at a time.

arXiv 1912.04958. Names and shapes of the tensors follow the public StyleGAN2 checkpoints: one `bN` block per
resolution N. `step` selects the resolution 2^(step+2); `alpha` in [0, 1] fades in its newest block.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sgan.config import ModelConfig
from sgan.ops import (
    LRELU_GAIN,
    LRELU_SLOPE,
    EqualizedConv2d,
    EqualizedLinear,
    demodulation,
    downsample_2d,
    fir_filter,
    minibatch_stddev,
    modulated_conv2d,
    normalize_2nd_moment,
    upsample_2d,
)

MAPPING_LR_MULT = 0.01  # arXiv 1812.04948, appendix C
W_AVG_BETA = 0.998  # decay of the running mean of w, arXiv 1912.04958 configuration
SKIP_GAIN = math.sqrt(0.5)  # keeps the variance of a residual sum


class MappingNetwork(nn.Module):
    """z [N, z_dim] -> ws [N, num_ws, w_dim]; keeps `w_avg`, the running mean of w."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.num_layers, self.num_ws = config.n_fc, config.num_ws
        for i in range(config.n_fc):
            layer = EqualizedLinear(config.dim_latent, config.dim_latent, lr_mult=MAPPING_LR_MULT)
            self.add_module(f"fc{i}", layer)
        self.register_buffer("w_avg", torch.zeros(config.dim_latent))

    def forward(
        self,
        z: Tensor,
        truncation_psi: float = 1.0,
        truncation_cutoff: int | None = None,
        update_w_avg: bool = False,
    ) -> Tensor:
        """ws [N, num_ws, w_dim] of z [N, z_dim].

        truncation_psi moves the first truncation_cutoff of them (None: all) towards w_avg: 0 gives w_avg, 1 changes
        nothing (arXiv 1812.04948, appendix B). update_w_avg also advances w_avg by this batch.
        """
        x = normalize_2nd_moment(z.float())
        for i in range(self.num_layers):
            layer = getattr(self, f"fc{i}")
            x = F.leaky_relu(layer(x, act_gain=LRELU_GAIN), LRELU_SLOPE)
        if update_w_avg:
            self.w_avg.copy_(x.detach().mean(dim=0).lerp(self.w_avg, W_AVG_BETA))
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        if truncation_psi != 1.0:
            cut = self.num_ws if truncation_cutoff is None else truncation_cutoff
            ws[:, :cut] = self.w_avg.lerp(ws[:, :cut], truncation_psi)
        return ws


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU; doubles the size first when `up`."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, up: bool, resample: str):
        super().__init__()
        self.up, self.resample = up, resample
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        weight = torch.randn(out_channels, in_channels, 3, 3)
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last))
        self.register_buffer("noise_const", torch.randn(resolution, resolution))
        self.noise_strength = nn.Parameter(torch.zeros([]))
        self.bias = nn.Parameter(torch.zeros(out_channels))

    def forward(self, x: Tensor, w: Tensor, noise_mode: str) -> Tensor:
        """x [N, I, H, W], w [N, w_dim] -> [N, O, H', W'].

        noise_mode "random" draws new noise, "const" uses the stored one, "none" none. The gain of the leaky ReLU is
        folded into the coefficients before it, which its homogeneity allows.
        """
        styles = self.affine(w)
        # Any constant factor of the weight cancels in the demodulation; this one keeps half precision in range.
        weight = self.weight * (1.0 / math.sqrt(self.weight[0].numel()))
        scale = demodulation(weight, styles) * LRELU_GAIN  # [NO]
        x = self._convolve(x, weight, styles)
        bias = (self.bias * LRELU_GAIN).to(x.dtype)
        x = torch.addcmul(bias[:, None, None], x, scale.to(x.dtype)[:, :, None, None])
        noise = self._noise(x, noise_mode)
        if noise is not None:
            x = x.add_(noise)
        return F.leaky_relu_(x, LRELU_SLOPE)

    def _convolve(self, x: Tensor, weight: Tensor, styles: Tensor) -> Tensor:
        """The modulated convolution, with the up-sampling where this layer has one."""
        if not self.up:
            return modulated_conv2d(x, weight, styles)
        if self.resample == "fast":  # convolving first costs a quarter
            return upsample_2d(modulated_conv2d(x, weight, styles), self.resample)
        return modulated_conv2d(upsample_2d(x, self.resample), weight, styles)

    def _noise(self, x: Tensor, noise_mode: str) -> Tensor | None:
        """Noise [N or 1, 1, H, W] times strength and gain in x's dtype, or None for none."""
        if noise_mode == "none":
            return None
        if noise_mode == "const":
            noise = self.noise_const[None, None]
        else:
            noise = torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device)
        return (noise * (self.noise_strength * LRELU_GAIN)).to(x.dtype)


class ToRGBLayer(nn.Module):
    """Modulated 1x1 convolution to colour, without demodulation; computed in float32."""

    def __init__(self, in_channels: int, w_dim: int, img_channels: int = 3):
        super().__init__()
        self.affine = EqualizedLinear(w_dim, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(torch.randn(img_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(img_channels))
        self.weight_gain = 1.0 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [N, C, H, W], w [N, w_dim] -> RGB [N, 3, H, W] float32."""
        styles = self.affine(w) * self.weight_gain  # [NC]
        weight = self.weight[:, :, 0, 0] * styles[:, None, :]  # [N3C]
        pixels = x.float().permute(0, 2, 3, 1).flatten(1, 2)  # [N, HW, C], a view in channels_last
        rgb = torch.baddbmm(self.bias, pixels, weight.transpose(1, 2))  # [N, HW, 3]
        return rgb.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2)


class SynthesisBlock(nn.Module):
    """One resolution of the generator: constant or up-sampling layer, a second layer, and a colour output."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, resolution: int, resample: str):
        super().__init__()
        self.resample = resample
        if in_channels == 0:
            self.const = nn.Parameter(torch.randn(out_channels, resolution, resolution))
        else:
            self.conv0 = SynthesisLayer(in_channels, out_channels, w_dim, resolution, True, resample)
        self.conv1 = SynthesisLayer(out_channels, out_channels, w_dim, resolution, False, resample)
        self.torgb = ToRGBLayer(out_channels, w_dim)

    @property
    def num_conv(self) -> int:
        """Number of styled convolutions: 1 in the first block, else 2."""
        return 2 if hasattr(self, "conv0") else 1

    def forward(
        self, x: Tensor | None, img: Tensor | None, ws: Tensor, noise_mode: str, alpha: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor]:
        """x [N, C, H/2, W/2] and img [N, 3, H/2, W/2] (None in the first block) -> the same at H x W.

        ws [N, num_conv + 1, w_dim]. alpha scales what this block adds to the colour sum.
        """
        if x is None:
            x = self.const.to(dtype)[None].expand(ws.shape[0], -1, -1, -1)
            x = x.contiguous(memory_format=torch.channels_last)
        else:
            x = self.conv0(x, ws[:, 0], noise_mode)
        x = self.conv1(x, ws[:, -2], noise_mode)
        rgb = self.torgb(x, ws[:, -1])
        if img is not None:
            rgb = torch.add(upsample_2d(img, self.resample), rgb, alpha=alpha)
        return x, rgb


class SynthesisNetwork(nn.Module):
    """ws -> image; colour is the sum of every block's output, up-sampled (arXiv 1912.04958, figure 7b)."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.min_step, self.max_step = config.min_step, config.max_step
        in_channels = 0
        for resolution in config.block_resolutions:
            out_channels = config.channels(resolution)
            block = SynthesisBlock(in_channels, out_channels, config.dim_latent, resolution, config.resample)
            self.add_module(f"b{resolution}", block)
            in_channels = out_channels

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
        x = img = None
        first = 0
        for level in range(self.min_step, step + 1):
            block = getattr(self, f"b{2 ** (level + 2)}")
            block_ws = ws[:, first : first + block.num_conv + 1]
            first += block.num_conv
            x, img = block(x, img, block_ws, noise_mode, alpha if level == step else 1.0, dtype)
        return img


class Generator(nn.Module):
    """Mapping and synthesis. `G(z)` is `G.synthesis(G.mapping(z))`."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.mapping = MappingNetwork(config)
        self.synthesis = SynthesisNetwork(config)

    def forward(self, z: Tensor, truncation_psi: float = 1.0, **synthesis_kwargs) -> Tensor:
        """z [N, z_dim] -> images [N, 3, R, R] float32, about [-1, 1]."""
        return self.synthesis(self.mapping(z, truncation_psi), **synthesis_kwargs)


def swap_layers(ws: Tensor, other: Tensor, config: ModelConfig, layers: Iterable[int]) -> Tensor:
    """ws [N, num_ws, w_dim] in which the given layers take their styles from `other`, of the same shape.

    Layer l is the block of resolution 2^(l+2): low ones carry pose and shape, high ones colour and texture
    (arXiv 1812.04948, figure 3).
    """
    mixed = ws.clone()
    for layer in layers:
        indices = list(config.ws_of_layer(layer))
        mixed[:, indices] = other[:, indices]
    return mixed


class DiscriminatorBlock(nn.Module):
    """One resolution of the residual discriminator: two convolutions beside a 1x1 skip, halving the size."""

    def __init__(self, channels: int, out_channels: int, resample: str):
        super().__init__()
        self.resample = resample
        self.fromrgb = EqualizedConv2d(3, channels, 1)
        self.conv0 = EqualizedConv2d(channels, channels, 3)
        self.conv1 = EqualizedConv2d(channels, out_channels, 3)
        self.skip = EqualizedConv2d(channels, out_channels, 1, bias=False)

    def from_rgb(self, img: Tensor) -> Tensor:
        """img [N, 3, R, R] -> feature maps [N, channels, R, R]."""
        return F.leaky_relu_(self.fromrgb(img, LRELU_GAIN), LRELU_SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, channels, R, R] -> [N, out_channels, R/2, R/2]."""
        y = F.leaky_relu_(self.conv0(x, LRELU_GAIN), LRELU_SLOPE)
        # LRELU_GAIN * SKIP_GAIN = 1: the gains of the activation and of the residual sum cancel in conv1.
        y = F.leaky_relu_(self._halve(y), LRELU_SLOPE)
        return self.skip(downsample_2d(x, self.resample), SKIP_GAIN).add_(y)

    def _halve(self, y: Tensor) -> Tensor:
        """conv1 with down-sampling; "fast" averages first, so that the convolution costs a quarter."""
        if self.resample == "fast":
            return self.conv1(F.avg_pool2d(y, 2))
        # Filter with one pixel more on each side, then a stride-2 convolution without padding: StyleGAN2's order.
        y = fir_filter(y, padding=(2, 2))
        weight = (self.conv1.weight * self.conv1.weight_gain).to(y.dtype)
        return F.conv2d(y, weight, self.conv1.bias.to(y.dtype), stride=2)


class DiscriminatorEpilogue(nn.Module):
    """The last block: minibatch standard deviation, convolution, two fully connected layers."""

    def __init__(self, channels: int, resolution: int, mbstd_group_size: int):
        super().__init__()
        self.mbstd_group_size = mbstd_group_size
        self.fromrgb = EqualizedConv2d(3, channels, 1)
        self.conv = EqualizedConv2d(channels + 1, channels, 3)
        self.fc = EqualizedLinear(channels * resolution**2, channels)
        self.out = EqualizedLinear(channels, 1)

    def from_rgb(self, img: Tensor) -> Tensor:
        """img [N, 3, R, R] -> feature maps [N, channels, R, R]."""
        return F.leaky_relu_(self.fromrgb(img, LRELU_GAIN), LRELU_SLOPE)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, channels, R, R] -> logits [N], float32."""
        x = minibatch_stddev(x.float(), self.mbstd_group_size)
        x = F.leaky_relu_(self.conv(x, LRELU_GAIN), LRELU_SLOPE)
        x = F.leaky_relu_(self.fc(x.contiguous().flatten(1), act_gain=LRELU_GAIN), LRELU_SLOPE)
        return self.out(x).squeeze(1)


class Discriminator(nn.Module):
    """Images -> logits; residual blocks (arXiv 1912.04958, figure 7c), entered at the current resolution."""

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.config = config
        self.resample, self.min_step, self.max_step = config.resample, config.min_step, config.max_step
        *upper, lowest = reversed(config.block_resolutions)
        for resolution in upper:
            block = DiscriminatorBlock(config.channels(resolution), config.channels(resolution // 2), config.resample)
            self.add_module(f"b{resolution}", block)
        self.add_module(f"b{lowest}", DiscriminatorEpilogue(config.channels(lowest), lowest, config.mbstd_group_size))

    def forward(
        self, img: Tensor, step: int | None = None, alpha: float = 1.0, dtype: torch.dtype = torch.float32
    ) -> Tensor:
        """img [N, 3, R, R] in [-1, 1], R = 2^(step+2) -> logits [N], float32.

        alpha < 1 blends the newest block with the colours of the halved picture (arXiv 1710.10196, figure 2).
        """
        step = self.max_step if step is None else step
        img = img.to(dtype=dtype, memory_format=torch.channels_last)
        x = getattr(self, f"b{2 ** (step + 2)}").from_rgb(img)
        for level in range(step, self.min_step, -1):
            x = getattr(self, f"b{2 ** (level + 2)}")(x)
            if level == step and alpha < 1.0:
                below = getattr(self, f"b{2 ** (level + 1)}")
                x = below.from_rgb(downsample_2d(img, self.resample)).lerp(x, alpha)
        return getattr(self, f"b{2 ** (self.min_step + 2)}")(x)

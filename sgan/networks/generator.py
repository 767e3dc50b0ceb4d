"""Generator of StyleGAN2 (mapping + synthesis), able to grow one resolution at a time.

arXiv 1912.04958. Names and shapes of the tensors follow the public StyleGAN2 checkpoints: one `bN` block per
resolution N. `step` selects the resolution 2^(step+2); `alpha` in [0, 1] fades in its newest block. The mapping serves
both generations; `stylegan.py` has the synthesis of the first and `discriminator.py` the discriminators.
"""

import math
from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sgan.config import ModelConfig, resolution_of
from sgan.networks.discriminator import Discriminator
from sgan.networks.gains import LRELU_GAIN, LRELU_SLOPE, MAPPING_LR_MULT, SKIP_GAIN
from sgan.networks.ops import (
    RESAMPLING,
    EqualizedConv2d,
    EqualizedLinear,
    clamp,
    demodulation,
    modulated_conv2d,
    normal,
    normalize_2nd_moment,
)
from sgan.networks.stylegan import AdainSynthesis, BlockPerResolution

__all__ = ["Discriminator", "Generator", "swap_layers"]

W_AVG_BETA = 0.998  # decay of the running mean of w, arXiv 1912.04958 configuration


class MappingNetwork(nn.Module):
    """z [N, z_dim] -> ws [N, num_ws, w_dim]; keeps `w_avg`, the running mean of w.

    A network that tells c_dim classes apart embeds them; `label` is the one that is meant where none is said.
    """

    def __init__(self, config: ModelConfig):
        super().__init__()
        self.num_layers, self.num_ws, self.c_dim = config.n_fc, config.num_ws, config.c_dim
        self.label = 0
        features = config.z_dim
        if config.c_dim:
            self.embed = EqualizedLinear(config.c_dim, config.dim_latent)
            features += config.dim_latent
        for i in range(config.n_fc):
            self.add_module(f"fc{i}", EqualizedLinear(features, config.dim_latent, lr_mult=MAPPING_LR_MULT))
            features = config.dim_latent
        self.register_buffer("w_avg", torch.zeros(config.dim_latent))

    def forward(
        self,
        z: Tensor,
        truncation_psi: float = 1.0,
        update_w_avg: bool = False,
        c: Tensor | None = None,
    ) -> Tensor:
        """ws [N, num_ws, w_dim] of z [N, z_dim] and, where the network tells classes apart, c [N, c_dim].

        truncation_psi moves them towards w_avg: 0 gives w_avg, 1 changes nothing (arXiv 1812.04948, appendix B).
        update_w_avg also advances w_avg by this batch.
        """
        x = normalize_2nd_moment(z.float())
        if self.c_dim:
            if c is None:
                c = F.one_hot(torch.full((len(x),), self.label, device=x.device), self.c_dim)
            x = torch.cat([x, normalize_2nd_moment(self.embed(c.float()))], dim=1)
        for i in range(self.num_layers):
            layer = getattr(self, f"fc{i}")
            x = F.leaky_relu(layer(x, act_gain=LRELU_GAIN), LRELU_SLOPE)
        if update_w_avg:
            self.w_avg.copy_(x.detach().mean(dim=0).lerp(self.w_avg, W_AVG_BETA))
        ws = x.unsqueeze(1).repeat(1, self.num_ws, 1)
        if truncation_psi != 1.0:
            ws = self.w_avg.lerp(ws, truncation_psi)
        return ws


class SynthesisLayer(nn.Module):
    """Modulated 3x3 convolution, noise, bias, leaky ReLU with act_gain; doubles the size first when `up`."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        resolution: int,
        config: ModelConfig,
        up: bool = False,
        act_gain: float = LRELU_GAIN,
    ):
        super().__init__()
        self.act_gain = act_gain
        self.convolve = RESAMPLING[config.resample].convolve_up if up else modulated_conv2d
        self.bound = config.conv_clamp * act_gain / LRELU_GAIN
        self.affine = EqualizedLinear(config.dim_latent, in_channels, bias_init=1.0)
        weight = normal(out_channels, in_channels, 3, 3)
        self.weight = nn.Parameter(weight.to(memory_format=torch.channels_last))
        self.register_buffer("noise_const", normal(resolution, resolution))
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
        scale = demodulation(weight, styles) * self.act_gain  # [NO]
        x = self.convolve(x, weight, styles)
        bias = (self.bias * self.act_gain).to(x.dtype)
        x = torch.addcmul(bias[:, None, None], x, scale.to(x.dtype)[:, :, None, None])
        noise = self._noise(x, noise_mode)
        if noise is not None:
            x = x.add_(noise)
        return clamp(F.leaky_relu_(x, LRELU_SLOPE), self.bound)

    def _noise(self, x: Tensor, noise_mode: str) -> Tensor | None:
        """Noise [N or 1, 1, H, W] times strength and gain in x's dtype, or None for none."""
        if noise_mode == "none":
            return None
        if noise_mode == "const":
            noise = self.noise_const[None, None]
        else:
            noise = torch.randn(x.shape[0], 1, *x.shape[2:], device=x.device)
        return (noise * (self.noise_strength * self.act_gain)).to(x.dtype)


class ToRGBLayer(nn.Module):
    """Modulated 1x1 convolution to colour, without demodulation; computed in float32."""

    def __init__(self, in_channels: int, config: ModelConfig):
        super().__init__()
        self.bound = config.conv_clamp
        self.affine = EqualizedLinear(config.dim_latent, in_channels, bias_init=1.0)
        self.weight = nn.Parameter(normal(3, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(3))
        self.weight_gain = 1.0 / math.sqrt(in_channels)

    def forward(self, x: Tensor, w: Tensor) -> Tensor:
        """x [N, C, H, W], w [N, w_dim] -> RGB [N, 3, H, W] float32."""
        styles = self.affine(w) * self.weight_gain  # [NC]
        weight = self.weight[:, :, 0, 0] * styles[:, None, :]  # [N3C]
        pixels = x.float().permute(0, 2, 3, 1).flatten(1, 2)  # [N, HW, C], a view in channels_last
        rgb = torch.baddbmm(self.bias, pixels, weight.transpose(1, 2))  # [N, HW, 3]
        return clamp(rgb.unflatten(1, x.shape[2:]).permute(0, 3, 1, 2), self.bound)


class SynthesisBlock(nn.Module):
    """One resolution of the generator: constant or up-sampling layer, a second layer, and a colour output.

    A residual generator (g_architecture "resnet") also has a 1x1 skip. It and a plain one ("orig") have colours in the
    last block alone.
    """

    def __init__(self, in_channels: int, resolution: int, config: ModelConfig):
        super().__init__()
        self.upsample = RESAMPLING[config.resample].up
        channels = config.channels(resolution)
        residual = config.g_architecture == "resnet"
        if in_channels == 0:
            self.const = nn.Parameter(normal(channels, resolution, resolution))
            act_gain = LRELU_GAIN
        else:
            self.conv0 = SynthesisLayer(in_channels, channels, resolution, config, up=True)
            act_gain = LRELU_GAIN * SKIP_GAIN if residual else LRELU_GAIN
        self.conv1 = SynthesisLayer(channels, channels, resolution, config, act_gain=act_gain)
        coloured = config.g_architecture == "skip" or resolution == config.resolution
        self.torgb = ToRGBLayer(channels, config) if coloured else None
        self.skip = EqualizedConv2d(in_channels, channels, 1, bias=False) if residual and in_channels else None

    @property
    def num_conv(self) -> int:
        """Number of styled convolutions: 1 in the first block, else 2."""
        return 2 if hasattr(self, "conv0") else 1

    def forward(
        self, x: Tensor | None, img: Tensor | None, ws: Tensor, noise_mode: str, alpha: float, dtype: torch.dtype
    ) -> tuple[Tensor, Tensor | None]:
        """x [N, C, H/2, W/2] and img [N, 3, H/2, W/2] (None in the first block) -> the same at H x W.

        ws [N, num_conv + 1, w_dim]. alpha scales what this block adds to the colour sum.
        """
        skipped = None
        if x is None:
            x = self.const.to(dtype)[None].expand(ws.shape[0], -1, -1, -1)
            x = x.contiguous(memory_format=torch.channels_last)
        else:
            if self.skip is not None:
                skipped = self.upsample(self.skip(x, SKIP_GAIN))
            x = self.conv0(x, ws[:, 0], noise_mode)
        x = self.conv1(x, ws[:, -2], noise_mode)
        if skipped is not None:
            x = skipped + x
        if self.torgb is None:
            return x, None
        rgb = self.torgb(x, ws[:, -1])
        if img is not None:
            rgb = torch.add(self.upsample(img), rgb, alpha=alpha)
        return x, rgb


class SynthesisNetwork(BlockPerResolution):
    """ws -> image; colour is the sum of every block's output, up-sampled (arXiv 1912.04958, figure 7b)."""

    def __init__(self, config: ModelConfig):
        super().__init__(config, SynthesisBlock)

    def forward(
        self,
        ws: Tensor,
        step: int | None = None,
        alpha: float = 1.0,
        noise_mode: str = "const",
        dtype: torch.dtype = torch.float32,
    ) -> Tensor:
        """ws [N, num_ws, w_dim] -> images [N, 3, R, R] float32, about [-1, 1], R = 2^(step+2) (None: max_step).

        noise_mode is "random", "const" or "none". dtype is that of the feature maps; colour stays float32. ValueError
        for a residual or plain generator below max_step, where it has no colours.
        """
        step = self.max_step if step is None else step
        if step != self.max_step and self.config.g_architecture != "skip":
            raise ValueError(
                f"this generator has colours at its full resolution alone: step {self.max_step}, not {step}"
            )
        x = img = None
        first = 0
        for level in range(self.min_step, step + 1):
            block = getattr(self, f"b{resolution_of(level)}")
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
        self.synthesis = AdainSynthesis(config) if config.arch == "stylegan" else SynthesisNetwork(config)

    def forward(self, z: Tensor, truncation_psi: float = 1.0, c: Tensor | None = None, **synthesis_kwargs) -> Tensor:
        """z [N, z_dim] (and c [N, c_dim]) -> images [N, 3, R, R] float32, about [-1, 1]."""
        return self.synthesis(self.mapping(z, truncation_psi, c=c), **synthesis_kwargs)


def swap_layers(ws: Tensor, other: Tensor, config: ModelConfig, layers: Iterable[int]) -> Tensor:
    """ws [N, num_ws, w_dim] in which the given layers take their styles from `other`, of the same shape."""
    mixed, taken = ws.clone(), config.ws_of_layers(layers)
    mixed[:, taken] = other[:, taken]
    return mixed

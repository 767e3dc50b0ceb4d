"""The generators in numpy, both generations: what `generator` and `stylegan` compute with PyTorch, for one picture.

Built from the tensors of a checkpoint by name. Feature maps are float32 [H, W, C]; a network's own rows say so.
"""

import math
from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np

from graphs.layers import (
    conv1x1,
    conv3x3,
    conv3x3_up,
    finish_strips,
    leaky_relu,
    upsample_bilinear,
    upsample_fir,
)
from sgan.config import ModelConfig
from sgan.networks.gains import (
    DEMODULATION_EPS,
    INSTANCE_EPS,
    LRELU_GAIN,
    MAPPING_LR_MULT,
    NORM_EPS,
    SKIP_GAIN,
)

Tensors = Mapping[str, np.ndarray]
Noise = Callable[[np.ndarray], np.ndarray | None]  # a layer's stored noise [R, R] -> what it adds, or None


def part_of(tensors: Tensors, name: str) -> dict[str, np.ndarray]:
    """The tensors below a name."""
    return {key.removeprefix(name): value for key, value in tensors.items() if key.startswith(name)}


def _normalize(x: np.ndarray) -> np.ndarray:
    """x [N, C] scaled so that the mean square of every row is 1 (arXiv 1710.10196, section 4.2)."""
    return x / np.sqrt(np.square(x).mean(axis=1, keepdims=True) + np.float32(NORM_EPS))


class Linear:
    """x [..., in] -> [..., out], the weight scaled as `ops.EqualizedLinear` does."""

    def __init__(self, tensors: Tensors, gain: float = 1.0, lr_mult: float = 1.0, act_gain: float = 1.0):
        scale = gain * lr_mult * act_gain / math.sqrt(tensors["weight"].shape[1])
        self.weight = np.ascontiguousarray(tensors["weight"].T * np.float32(scale))  # [in, out]
        self.bias = tensors["bias"] * np.float32(lr_mult * act_gain)

    def __call__(self, x: np.ndarray) -> np.ndarray:
        return x @ self.weight + self.bias


class LightMapping:
    """z [N, z_dim] -> w [N, w_dim] of a class."""

    def __init__(self, tensors: Tensors, config: ModelConfig):
        self.c_dim = config.c_dim
        self.embed = Linear(part_of(tensors, "embed.")) if config.c_dim else None
        self.layers = [
            Linear(part_of(tensors, f"fc{i}."), lr_mult=MAPPING_LR_MULT, act_gain=LRELU_GAIN)
            for i in range(config.n_fc)
        ]

    def __call__(self, z: np.ndarray, label: int) -> np.ndarray:
        x = _normalize(z)
        if self.embed is not None:
            c = np.eye(1, self.c_dim, label, np.float32).repeat(len(x), axis=0)
            x = np.concatenate([x, _normalize(self.embed(c))], axis=1)
        for layer in self.layers:
            x = leaky_relu(layer(x))
        return x


class StyledConv:
    """A layer of StyleGAN2 (`generator.SynthesisLayer`): x [H, W, I], w [w_dim] -> [R, R, O].

    The style and the demodulation go into the weight, which is cheaper than into the maps.
    """

    def __init__(self, tensors: Tensors, config: ModelConfig, up: bool, act_gain: float = LRELU_GAIN):
        weight = tensors["weight"] / np.float32(math.sqrt(tensors["weight"][0].size))
        self.convolve_up = DOUBLING[config.resample].convolve_up if up else None
        self.act_gain = np.float32(act_gain)
        self.bound = config.conv_clamp * act_gain / LRELU_GAIN
        self.affine = Linear(part_of(tensors, "affine."))
        self.weight = np.ascontiguousarray(weight.transpose(2, 3, 1, 0))  # [3, 3, I, O]
        self.energy = np.square(self.weight).sum(axis=(0, 1))  # [IO]
        self.bias = tensors["bias"] * self.act_gain
        self.noise_const, self.strength = tensors["noise_const"], tensors["noise_strength"] * self.act_gain

    def __call__(self, x: np.ndarray, w: np.ndarray, noise: Noise) -> np.ndarray:
        styles = self.affine(w)
        scale = self.act_gain / np.sqrt(np.square(styles) @ self.energy + np.float32(DEMODULATION_EPS))  # [O]
        weight = self.weight * (styles[:, None] * scale)
        added = noise(self.noise_const)

        def finish(part: np.ndarray, rows: slice) -> None:
            if added is not None and self.strength:
                part += (added[rows] * self.strength)[:, :, None]
            part += self.bias
            _clamp(leaky_relu(part), self.bound)

        if self.convolve_up is None:
            return conv3x3(x, weight, finish)
        return finish_strips(self.convolve_up(x, weight), finish)


def _convolve_up_fast(x: np.ndarray, weight: np.ndarray) -> np.ndarray:
    return upsample_bilinear(conv3x3(x, weight))  # convolving first costs a quarter


class Doubling(NamedTuple):
    """One way to double feature maps and pictures: up(x), and convolve_up(x, weight)."""

    up: Callable[[np.ndarray], np.ndarray]
    help: str
    convolve_up: Callable[[np.ndarray, np.ndarray], np.ndarray]


DOUBLING = {
    "fast": Doubling(upsample_bilinear, "bilinear", _convolve_up_fast),
    "fir": Doubling(upsample_fir, "StyleGAN2's filter", conv3x3_up),
}  # by the names that ModelConfig.resample has


def _clamp(x: np.ndarray, bound: float) -> np.ndarray:
    """x itself, cut to [-bound, bound]; 0 stands for none."""
    return np.clip(x, -bound, bound, out=x) if bound else x


class LightBlock:
    """A resolution of StyleGAN2 (`generator.SynthesisBlock`); `first` has a constant in place of a convolution."""

    def __init__(self, tensors: Tensors, config: ModelConfig, first: bool):
        self.upsample, self.bound = DOUBLING[config.resample].up, config.conv_clamp
        self.const = np.ascontiguousarray(tensors["const"].transpose(1, 2, 0)) if first else None
        self.convs = [] if first else [StyledConv(part_of(tensors, "conv0."), config, up=True)]
        self.skip = None
        if "skip.weight" in tensors:
            weight = tensors["skip.weight"][:, :, 0, 0].T
            self.skip = np.ascontiguousarray(weight * np.float32(SKIP_GAIN / math.sqrt(len(weight))))
        gain = LRELU_GAIN if self.skip is None else LRELU_GAIN * SKIP_GAIN
        self.convs.append(StyledConv(part_of(tensors, "conv1."), config, up=False, act_gain=gain))
        self.colour = "torgb.weight" in tensors
        if self.colour:
            weight = tensors["torgb.weight"][:, :, 0, 0].T
            self.affine = Linear(part_of(tensors, "torgb.affine."))
            self.weight = weight / np.float32(math.sqrt(len(weight)))  # [C3]
            self.bias = tensors["torgb.bias"]

    def __call__(
        self, x: np.ndarray | None, image: np.ndarray | None, ws: np.ndarray, noise: Noise
    ) -> tuple[np.ndarray, np.ndarray | None]:
        """x [R/2, R/2, C] and image [R/2, R/2, 3] of the block below -> the same at R; ws [layers + 1, w_dim]."""
        skipped = None if self.skip is None else self.upsample(conv1x1(x, self.skip))
        x = self.const if x is None else x
        for conv, w in zip(self.convs, ws):
            x = conv(x, w, noise)
        if skipped is not None:
            x += skipped
        if not self.colour:
            return x, None
        weight = self.weight * self.affine(ws[-1])[:, None]
        own = _clamp(conv1x1(x, weight) + self.bias, self.bound)
        return x, own if image is None else self.upsample(image) + own


class LightSynthesis:
    """ws -> picture, StyleGAN2: the sum of every block's colours (`generator.SynthesisNetwork`)."""

    def __init__(self, tensors: Tensors, config: ModelConfig):
        self.blocks = [
            LightBlock(part_of(tensors, f"b{resolution}."), config, first=i == 0)
            for i, resolution in enumerate(config.block_resolutions)
        ]

    def __call__(self, ws: np.ndarray, count: int, noise: Noise) -> np.ndarray:
        """ws [num_ws, w_dim] -> [R, R, 3], about [-1, 1], of the first `count` blocks.

        ValueError for a residual or plain generator below its last one, where it has no colours.
        """
        x = image = None
        first = 0
        for block in self.blocks[:count]:
            x, image = block(x, image, ws[first : first + len(block.convs) + 1], noise)
            first += len(block.convs)
        if image is None:
            raise ValueError("this generator has colours at its full resolution alone")
        return image

    def style_weights(self, index: int) -> np.ndarray:
        """[channels, w_dim]: what w is multiplied by in the convolutions of a block."""
        return np.concatenate([conv.affine.weight.T for conv in self.blocks[index].convs])


class AdainConv:
    """A layer of the first StyleGAN (`stylegan.AdainLayer`): x [R, R, I], w [w_dim] -> [R, R, C]."""

    def __init__(self, tensors: Tensors):
        self.affine = Linear(part_of(tensors, "affine."), gain=LRELU_GAIN)
        self.strength = tensors["noise_strength"] * np.float32(math.sqrt(2.0 / tensors["noise_strength"].size))
        self.weight = None
        if "weight" in tensors:
            weight = tensors["weight"] * np.float32(LRELU_GAIN / math.sqrt(tensors["weight"][0].size))
            self.weight, self.bias = np.ascontiguousarray(weight.transpose(2, 3, 1, 0)), tensors["bias"]

    def __call__(self, x: np.ndarray, w: np.ndarray, noise: np.ndarray | None) -> np.ndarray:
        x = x.copy() if self.weight is None else conv3x3(x, self.weight) + self.bias
        if noise is not None:
            x += noise[:, :, None] * self.strength
        mean, variance = (moment(axis=(0, 1), dtype=np.float64) for moment in (x.mean, x.var))
        factor, shift = np.split(self.affine(w), 2)
        scale = (factor / np.sqrt(variance + INSTANCE_EPS)).astype(np.float32)  # arXiv 1812.04948, equation 1
        x *= scale
        x += shift - mean.astype(np.float32) * scale
        return leaky_relu(x)


class LightAdainBlock:
    """A resolution of the first StyleGAN (`stylegan.AdainBlock`)."""

    def __init__(self, tensors: Tensors):
        self.const = np.ascontiguousarray(tensors["const"].transpose(1, 2, 0)) if "const" in tensors else None
        self.convs = [AdainConv(part_of(tensors, f"{name}.")) for name in ("conv0", "conv1")]
        self.noise_const = tensors["noise_const"]
        weight = tensors["torgb.weight"][:, :, 0, 0].T
        self.weight, self.bias = weight * np.float32(LRELU_GAIN / math.sqrt(len(weight))), tensors["torgb.bias"]

    def __call__(self, x: np.ndarray | None, ws: np.ndarray, noise: Noise) -> np.ndarray:
        """x [R, R, I], already of this size, ws [2, w_dim] -> [R, R, C]; both layers get the same noise."""
        added = noise(self.noise_const)
        for conv, w in zip(self.convs, ws):
            x = conv(self.const if x is None else x, w, added)
        return x


class LightAdainSynthesis:
    """ws -> picture, the first StyleGAN: only the newest resolution colours (`stylegan.AdainSynthesis`)."""

    def __init__(self, tensors: Tensors, config: ModelConfig):
        self.blocks = [LightAdainBlock(part_of(tensors, f"b{resolution}.")) for resolution in config.block_resolutions]

    def __call__(self, ws: np.ndarray, count: int, noise: Noise) -> np.ndarray:
        """ws [num_ws, w_dim] -> [R, R, 3], about [-1, 1], of the first `count` blocks."""
        x = None
        for i, block in enumerate(self.blocks[:count]):
            x = block(None if x is None else upsample_bilinear(x), ws[2 * i : 2 * i + 2], noise)
        return conv1x1(x, block.weight) + block.bias

    def style_weights(self, index: int) -> np.ndarray:
        """[channels, w_dim]: what w is multiplied by in the convolutions of a block."""
        return np.concatenate([conv.affine.weight.T for conv in self.blocks[index].convs])


SYNTHESIS = {"stylegan2": LightSynthesis, "stylegan": LightAdainSynthesis}

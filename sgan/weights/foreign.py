"""Networks of a file in our names, and what the readers of other programs' files share.

Every function takes what was made of a file and raises Refused with the end of a sentence.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sgan.config import ConfigError, ModelConfig, resolution_of
from sgan.networks.generator import Generator
from sgan.networks.ops import fir_kernel
from sgan.weights.pickles.torchfile import TensorView
from sgan.weights.pickles.unpickle import Refused

Views = Mapping[str, TensorView]
NOISE_SEED = 0  # of the stored noise, for programs that draw it anew for every picture


@dataclass
class Foreign:
    """Networks as tensors in our names: "G", "G_ema" and "D", those that the file has.

    step is the last trained layer, alpha how far it has faded in; position says (step, images since its start) where
    the training stood, if known. notes tell what could not be taken over. moments: "G" and "D" -> name of a parameter
    -> Adam's step, exp_avg and exp_avg_sq.
    """

    source: str
    config: ModelConfig
    networks: dict[str, dict[str, Tensor]]
    step: int
    alpha: float = 1.0
    position: tuple[int, int] | None = None
    iteration: int = 0
    notes: list[str] = field(default_factory=list)
    needs_w_avg: bool = False
    moments: dict[str, dict[str, dict[str, Tensor]]] = field(default_factory=dict)

    @property
    def drawn_step(self) -> int:
        """The last layer that has faded in."""
        return max(self.step - (self.alpha < 1), self.config.min_step)

    def generator(self) -> Generator:
        """The generator that draws best, ready to draw."""
        G = Generator(self.config)
        G.load_state_dict(self.networks.get("G_ema") or self.networks["G"])
        return G.eval().requires_grad_(False)


def tensors_of(value: Any) -> dict[str, TensorView]:
    """The tensors of a state dict; Refused when it is none. The prefix that DataParallel adds is dropped."""
    if not isinstance(value, dict):
        raise Refused("has no weights where they should be")
    views = {name: view for name, view in value.items() if isinstance(name, str) and isinstance(view, TensorView)}
    return {name.removeprefix("module."): view for name, view in views.items()}


def shape_of(views: Views, name: str, length: int) -> tuple[int, ...]:
    """The shape of a tensor that must be there and have so many dimensions."""
    if name not in views:
        raise Refused(f"lacks the tensor {name}")
    shape = views[name].shape
    if len(shape) != length or 0 in shape:
        raise Refused(f"has a tensor {name} of shape {shape}, which fits no network of this kind")
    return shape


def model_config(channels: dict[int, int], **values: Any) -> ModelConfig:
    """A ModelConfig whose formula for feature maps gives `channels`, or which lists those that it does not."""
    try:
        top = max(channels.values())
        base = max(resolution * n for resolution, n in channels.items() if n < top or resolution == max(channels))
        plain = ModelConfig(channel_base=base, channel_max=top, **values)
        odd = {resolution: n for resolution, n in channels.items() if plain.channels(resolution) != n}
        return ModelConfig(channel_base=base, channel_max=top, channels_at=odd, **values)
    except ConfigError as error:
        raise Refused(f"has networks of a size that is not supported: {error}") from None


def step_of(resolution: int) -> int:
    """The layer of a resolution; Refused when it is no power of two from 4 to 1024."""
    step = resolution.bit_length() - 3
    if not 0 <= step <= 8 or resolution_of(step) != resolution:
        raise Refused(f"makes pictures of {resolution} pixels; powers of two from 4 to 1024 are supported")
    return step


def check_filter(views: Views, suffix: str) -> None:
    """Refused unless all resampling filters are StyleGAN2's [1, 3, 3, 1], of whatever sum."""
    for name, view in views.items():
        if name.endswith(suffix):
            kernel = view.tensor().float() if view.shape == (4, 4) else torch.zeros(4, 4)
            if not torch.allclose(kernel / kernel.sum(), fir_kernel(), atol=1e-4):
                raise Refused("was made with another resampling filter than StyleGAN2's [1, 3, 3, 1]")


def fixed_noise(names: list[str]) -> dict[str, Tensor]:
    """Noise of a fixed seed under the given names "synthesis.bN...", for files that store none."""
    generator, noise = torch.Generator().manual_seed(NOISE_SEED), {}
    for name in names:
        side = int(name.split(".")[1][1:])
        noise[name] = torch.randn(side, side, generator=generator)
    return noise


def take(views: Views, names: Mapping[str, str], shape: Callable[[str, Tensor], Tensor]) -> dict[str, Tensor]:
    """The tensors of {our name: the name there}, float32 and in our shape; Refused when one is missing."""
    missing = [theirs for theirs in names.values() if theirs not in views]
    if missing:
        raise Refused(f"lacks the tensor {missing[0]}")
    try:
        return {ours: shape(ours, views[theirs].tensor().float()) for ours, theirs in names.items()}
    except RuntimeError:
        raise Refused("has tensors whose shapes fit no network of this kind") from None

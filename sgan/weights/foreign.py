"""Networks of other programs in our names: what a file's tensors are called there, and what sizes they imply.

Every function takes what the readers made of a file and raises Refused with the end of a sentence.
"""

import math
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

from sgan.config import ConfigError, ModelConfig
from sgan.networks.ops import LRELU_GAIN, fir_kernel
from sgan.weights.torchfile import TensorView
from sgan.weights.unpickle import Refused

Views = Mapping[str, TensorView]
MAPPING_LR_MULT = 0.01
SISKON_GROUP = 16  # that program measures the deviation over the whole batch, which it takes from 256 down to 8
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
    if not 0 <= step <= 8 or 2 ** (step + 2) != resolution:
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


# ---- rosinality/stylegan2-pytorch ----

ROSINALITY = "rosinality/stylegan2-pytorch"


def rosinality_names(config: ModelConfig) -> dict[str, str]:
    """Our name of every tensor of the generator -> its name there (latent_avg stands beside the networks)."""
    names = {}
    for i in range(config.n_fc):
        for part in ("weight", "bias"):
            names[f"mapping.fc{i}.{part}"] = f"style.{i + 1}.{part}"
    names["synthesis.b4.const"] = "input.input"
    layers = [(4, "conv1", "conv1")]
    for k, resolution in enumerate(config.block_resolutions[1:]):
        layers += [(resolution, f"conv{i}", f"convs.{2 * k + i}") for i in range(2)]
    parts = {
        "weight": "conv.weight", "affine.weight": "conv.modulation.weight", "affine.bias": "conv.modulation.bias",
        "bias": "activate.bias", "noise_strength": "noise.weight",
    }  # fmt: skip
    for number, (resolution, ours, theirs) in enumerate(layers):
        base = f"synthesis.b{resolution}.{ours}"
        names |= {f"{base}.{part}": f"{theirs}.{name}" for part, name in parts.items()}
        names[f"{base}.noise_const"] = f"noises.noise_{number}"
    for k, resolution in enumerate(config.block_resolutions):
        theirs = "to_rgb1" if k == 0 else f"to_rgbs.{k - 1}"
        colour = {name: part for name, part in parts.items() if name != "noise_strength"} | {"bias": "bias"}
        names |= {f"synthesis.b{resolution}.torgb.{part}": f"{theirs}.{name}" for part, name in colour.items()}
    return names


def rosinality_d_names(config: ModelConfig) -> dict[str, str]:
    """Our name of every tensor of the discriminator that is there too -> its name there."""
    top = config.resolution
    names = {f"b{top}.fromrgb.weight": "convs.0.0.weight", f"b{top}.fromrgb.bias": "convs.0.1.bias"}
    for k, resolution in enumerate(reversed(config.block_resolutions[1:])):
        theirs = f"convs.{k + 1}"
        names |= {
            f"b{resolution}.conv0.weight": f"{theirs}.conv1.0.weight",
            f"b{resolution}.conv0.bias": f"{theirs}.conv1.1.bias",
            f"b{resolution}.conv1.weight": f"{theirs}.conv2.1.weight",
            f"b{resolution}.conv1.bias": f"{theirs}.conv2.2.bias",
            f"b{resolution}.skip.weight": f"{theirs}.skip.1.weight",
        }
    names |= {"b4.conv.weight": "final_conv.0.weight", "b4.conv.bias": "final_conv.1.bias"}
    for ours, theirs in (("fc", "final_linear.0"), ("out", "final_linear.1")):
        names |= {f"b4.{ours}.{part}": f"{theirs}.{part}" for part in ("weight", "bias")}
    return names


def read_rosinality(data: dict[str, Any]) -> Foreign:
    """Networks of a checkpoint with g_ema and, as far as there, g, d and latent_avg."""
    views = {name: tensors_of(data[name]) for name in ("g_ema", "g", "d") if name in data}
    main = views.get("g_ema") or views["g"]
    config = _rosinality_config(main)
    check_filter(main, "kernel")
    networks = {}
    for theirs, ours in (("g", "G"), ("g_ema", "G_ema")):
        if theirs in views:
            names = rosinality_names(config)
            drawn = [
                name for name, there in names.items() if there.startswith("noises.") and there not in views[theirs]
            ]
            kept = {name: there for name, there in names.items() if name not in drawn}
            networks[ours] = _take(views[theirs], kept, _rosinality_shape) | fixed_noise(drawn)
    notes = []
    if "d" in views:
        networks["D"] = _take(views["d"], rosinality_d_names(config), lambda name, tensor: tensor)
    average = data.get("latent_avg")
    if isinstance(average, TensorView) and math.prod(average.shape) == config.dim_latent:
        for name in set(networks) - {"D"}:
            networks[name]["mapping.w_avg"] = average.tensor().float().reshape(-1)
    missing = any("mapping.w_avg" not in networks[name] for name in networks if name != "D")
    return Foreign(ROSINALITY, config, networks, config.max_step, notes=notes, needs_w_avg=missing)


def _rosinality_config(views: Views) -> ModelConfig:
    dim_latent = shape_of(views, "style.1.weight", 2)[1]
    side = shape_of(views, "input.input", 4)[2]
    channels = {4: shape_of(views, "conv1.conv.weight", 5)[1]}
    if side != 4:
        raise Refused(f"starts from a constant of {side}x{side}; 4x4 is supported")
    while f"convs.{2 * len(channels) - 2}.conv.weight" in views and len(channels) < 10:
        name = f"convs.{2 * len(channels) - 2}.conv.weight"
        channels[2 ** (len(channels) + 2)] = shape_of(views, name, 5)[1]
    n_fc = sum(bool(re.fullmatch(r"style\.\d+\.weight", name)) for name in views)
    step = step_of(max(channels))
    return model_config(channels, max_step=step, n_fc=n_fc, dim_latent=dim_latent, resample="fir")


def _rosinality_shape(name: str, tensor: Tensor) -> Tensor:
    """A tensor of that generator in our shape: the leading 1 and the ends 1, 1 go."""
    if name.endswith("noise_strength"):
        return tensor.reshape(())
    if name.endswith("noise_const"):
        return tensor.reshape(tensor.shape[-2:])
    if tensor.ndim >= 4 and tensor.shape[0] == 1 and not name.endswith("bias"):
        return tensor[0]
    return tensor.reshape(-1) if name.endswith("bias") else tensor


def _take(views: Views, names: Mapping[str, str], shape: Callable[[str, Tensor], Tensor]) -> dict[str, Tensor]:
    missing = [theirs for theirs in names.values() if theirs not in views]
    if missing:
        raise Refused(f"lacks the tensor {missing[0]}")
    try:
        return {ours: shape(ours, views[theirs].tensor().float()) for ours, theirs in names.items()}
    except RuntimeError:
        raise Refused("has tensors whose shapes fit no network of this kind") from None


# ---- SiskonEmilia/StyleGAN-PyTorch ----

SISKON = "SiskonEmilia/StyleGAN-PyTorch"


def siskon_names(config: ModelConfig) -> dict[str, str]:
    """Our name of every tensor of the generator that is there too -> its name there."""
    names = {}
    for i in range(config.n_fc):
        linear = f"fcs.mapping.{2 * i + 1}.linear"
        names |= {f"mapping.fc{i}.weight": f"{linear}.weight_orig", f"mapping.fc{i}.bias": f"{linear}.bias"}
    for k, resolution in enumerate(config.block_resolutions):
        ours, theirs = f"synthesis.b{resolution}", f"convs.{k}"
        if k == 0:
            names[f"{ours}.const"] = f"{theirs}.constant"
        convs = {"conv1": "conv"} if k == 0 else {"conv0": "conv1", "conv1": "conv2"}
        layers = {name: f"{theirs}.{there}.conv" for name, there in convs.items()} | {"torgb": f"to_rgbs.{k}.conv"}
        layers |= {f"conv{i}.affine": f"{theirs}.style{i + 1}.transform.linear" for i in range(2)}
        for name, there in layers.items():
            names |= {f"{ours}.{name}.weight": f"{there}.weight_orig", f"{ours}.{name}.bias": f"{there}.bias"}
        names |= {f"{ours}.conv{i}.noise_strength": f"{theirs}.noise{i + 1}.weight_orig" for i in range(2)}
    return names


def siskon_d_names(config: ModelConfig) -> dict[str, str]:
    """Our name of every tensor of the discriminator -> its name there; blocks count from 1024 x 1024 down."""
    layers = {"b4.out": "fc.linear"}
    for step, resolution in enumerate(config.block_resolutions):
        k = 8 - step
        layers[f"b{resolution}.fromrgb"] = f"from_rgbs.{k}.conv"
        ours = ("conv", "fc") if step == 0 else ("conv0", "conv1")
        layers |= {f"b{resolution}.{name}": f"convs.{k}.conv.{2 * i}.conv" for i, name in enumerate(ours)}
    names = {}
    for ours, theirs in layers.items():
        names |= {f"{ours}.weight": f"{theirs}.weight_orig", f"{ours}.bias": f"{theirs}.bias"}
    return names


def siskon_scale(name: str) -> float:
    """What a tensor there is multiplied by to become ours: our mapping has a slower learning rate built in."""
    if not name.startswith("mapping."):
        return 1.0
    return 1 / MAPPING_LR_MULT / (LRELU_GAIN if name.endswith("bias") else 1.0)


def _siskon_shape(name: str, tensor: Tensor) -> Tensor:
    tensor = tensor * siskon_scale(name)
    if name.endswith("const"):
        return tensor[0]
    if name.endswith("noise_strength"):
        return tensor.reshape(-1)
    return tensor.flatten(1) if name == "b4.fc.weight" else tensor


def read_siskon(data: dict[str, Any]) -> Foreign:
    """Networks and position of a trained.pth: generator, discriminator, parameters.

    The generator there has all nine layers; those above `step` were never trained.
    """
    views = tensors_of(data["generator"])
    channels = {}
    for k in range(10):
        name = "convs.0.conv.conv.weight_orig" if k == 0 else f"convs.{k}.conv2.conv.weight_orig"
        if name not in views:
            break
        channels[2 ** (k + 2)] = shape_of(views, name, 4)[0]
    dim_latent = shape_of(views, "fcs.mapping.1.linear.weight_orig", 2)[1]
    n_fc = sum(bool(re.fullmatch(r"fcs\.mapping\.\d+\.linear\.weight_orig", name)) for name in views)
    if not channels or shape_of(views, "convs.0.constant", 4)[2] != 4:
        raise Refused("starts from a constant that is not 4x4, which is not supported")
    config = model_config(
        channels, arch="stylegan", max_step=step_of(max(channels)), n_fc=n_fc, dim_latent=dim_latent,
        mbstd_group_size=SISKON_GROUP,
    )  # fmt: skip
    G = _take(views, siskon_names(config), _siskon_shape)
    G |= fixed_noise([f"synthesis.b{resolution}.noise_const" for resolution in config.block_resolutions])
    networks = {"G": G}
    if "discriminator" in data:
        networks["D"] = _take(tensors_of(data["discriminator"]), siskon_d_names(config), _siskon_shape)
    step, iteration, start, used, alpha = _siskon_parameters(data.get("parameters"), config)
    position = (step, max(used - start, 0))
    moments = {"G": _siskon_moments(data, "generator", "g_optim", siskon_names(config), ("convs.", "to_rgbs.", "fcs."))}
    moments["D"] = _siskon_moments(data, "discriminator", "d_optim", siskon_d_names(config), ("",))
    return Foreign(SISKON, config, networks, step, alpha, position, iteration, needs_w_avg=True, moments=moments)


def _siskon_moments(
    data: dict, network: str, optimiser: str, names: Mapping[str, str], groups: tuple[str, ...]
) -> dict[str, dict[str, Tensor]]:
    """Adam's moments by our names; empty where the file has none of the kind that its program writes.

    Its optimiser numbers parameters in groups of prefixes, each in the order of the network. A parameter that is ours
    divided by s has s times our gradient.
    """
    kept = data.get(optimiser)
    state, described = (kept.get("state"), kept.get("param_groups")) if isinstance(kept, dict) else (None, None)
    if network not in data or not isinstance(state, dict) or not isinstance(described, list):
        return {}
    order = [name for prefix in groups for name in tensors_of(data[network]) if name.startswith(prefix)]
    numbers = [n for group in described if isinstance(group, dict) for n in group.get("params", [])]
    if len(order) != len(numbers):
        return {}
    ours = {theirs: name for name, theirs in names.items()}
    moments = {}
    for number, theirs in zip(numbers, order):
        entry = state.get(number) if isinstance(number, int) else None
        found = entry if isinstance(entry, dict) and theirs in ours else {}
        if all(isinstance(found.get(key), TensorView) for key in ("exp_avg", "exp_avg_sq")):
            name, scale = ours[theirs], siskon_scale(ours[theirs])
            step = found.get("step", 0)
            step = step.tensor().reshape(-1)[0] if isinstance(step, TensorView) else step
            moments[name] = {"step": torch.tensor(float(step))}
            for key, power in (("exp_avg", 2), ("exp_avg_sq", 3)):
                moments[name][key] = _siskon_shape(name, found[key].tensor().float()) / scale**power
    return moments


def _siskon_parameters(value: Any, config: ModelConfig) -> tuple[int, int, int, int, float]:
    """(step, iteration, startpoint, used_sample, alpha)."""
    numbers = value if isinstance(value, (tuple, list)) and len(value) == 5 else (config.max_step, 0, 0, 0, 1.0)
    if not all(isinstance(n, (int, float)) and math.isfinite(n) for n in numbers):
        raise Refused("has parameters that are no numbers (step, iteration, startpoint, used_sample, alpha)")
    step, iteration, start, used = (int(n) for n in numbers[:4])
    if not 0 <= step <= config.max_step:
        raise Refused(f"stands at step {step}, but its networks have {config.max_step + 1} layers")
    return step, iteration, start, used, min(max(float(numbers[4]), 0.0), 1.0)

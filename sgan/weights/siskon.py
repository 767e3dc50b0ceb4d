"""SiskonEmilia/StyleGAN-PyTorch: its names, and its trained.pth in."""

import math
import re
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from sgan.config import ModelConfig
from sgan.networks.gains import LRELU_GAIN, MAPPING_LR_MULT
from sgan.weights.foreign import Foreign, fixed_noise, model_config, shape_of, step_of, take, tensors_of
from sgan.weights.pickles.torchfile import TensorView
from sgan.weights.pickles.unpickle import Refused

SISKON = "SiskonEmilia/StyleGAN-PyTorch"
SISKON_GROUP = 16  # it measures the deviation over the whole batch, which it takes from 256 down to 8


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


def is_siskon(value: Any) -> bool:
    """Whether it is a trained.pth of that program."""
    return isinstance(value, dict) and "generator" in value


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
    G = take(views, siskon_names(config), _siskon_shape)
    G |= fixed_noise([f"synthesis.b{resolution}.noise_const" for resolution in config.block_resolutions])
    networks = {"G": G}
    if "discriminator" in data:
        networks["D"] = take(tensors_of(data["discriminator"]), siskon_d_names(config), _siskon_shape)
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

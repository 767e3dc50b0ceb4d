"""rosinality/stylegan2-pytorch: its names, its files in and out."""

import io
import math
import re
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from provenance import write_bytes
from sgan.config import ModelConfig
from sgan.networks.ops import fir_kernel
from sgan.weights.files import CheckpointError
from sgan.weights.foreign import (
    Foreign,
    Views,
    check_filter,
    fixed_noise,
    model_config,
    shape_of,
    step_of,
    take,
    tensors_of,
)
from sgan.weights.pickles.torchfile import TensorView
from sgan.weights.pickles.unpickle import Refused

CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512}  # and 256 * channel_multiplier at 64, halved at every doubling
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


def is_rosinality(value: Any) -> bool:
    """Whether it is a checkpoint of that program, or the weights of its generator alone."""
    if not isinstance(value, dict):
        return False
    alone = {"input.input", "conv1.conv.weight"} <= set(tensors_of(value))
    return "g_ema" in value or {"g", "d"} <= set(value) or alone


def read_rosinality(data: dict[str, Any]) -> Foreign:
    """Networks of a checkpoint with g_ema and, as far as there, g, d and latent_avg; or of a generator alone."""
    data = data if {"g_ema", "g"} & set(data) else {"g_ema": data}
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
            networks[ours] = take(views[theirs], kept, _rosinality_shape) | fixed_noise(drawn)
    notes = []
    if "d" in views:
        networks["D"] = take(views["d"], rosinality_d_names(config), lambda name, tensor: tensor)
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


def write_rosinality(weights: Foreign, path: Path, target: Path) -> str:
    """Writes a .pt file of that program; returns what to say about it."""
    buffer = io.BytesIO()
    torch.save(rosinality_checkpoint(weights, path), buffer)
    write_bytes(target, buffer.getvalue())
    config = weights.config
    multiplier = max(config.channels(config.resolution) * config.resolution // 16384, 1)
    return (
        f"{target}: for rosinality/stylegan2-pytorch with --size {config.resolution}, latent {config.dim_latent}, "
        f"n_mlp {config.n_fc}, --channel_multiplier {multiplier}"
    )


def rosinality_checkpoint(weights: Foreign, path: Path) -> dict[str, Any]:
    """{g_ema, latent_avg, g, d, g_optim, d_optim}, as far as there; CheckpointError for what it cannot express."""
    config = weights.config
    _check(weights, path)
    result: dict[str, Any] = {}
    for ours, theirs in (("G_ema", "g_ema"), ("G", "g")):
        if ours in weights.networks:
            tensors = weights.networks[ours]
            result[theirs] = {name: _expand(name, tensors[key]) for key, name in rosinality_names(config).items()}
            result[theirs] |= _kernels(config)
            result.setdefault("latent_avg", tensors["mapping.w_avg"].clone())
    result.setdefault("g_ema", result.get("g"))
    if "D" in weights.networks:
        names = rosinality_d_names(config)
        result["d"] = {name: weights.networks["D"][key] for key, name in names.items()} | _d_kernels(config)
        result.setdefault("g", result["g_ema"])
        for part in ("g", "d"):
            count = sum("kernel" not in name and not name.startswith("noises.") for name in result[part])
            blank = [nn.Parameter(torch.zeros(())) for _ in range(count)]
            result[f"{part}_optim"] = torch.optim.Adam(blank, lr=0.002, betas=(0.0, 0.99)).state_dict()
    return result


def _check(weights: Foreign, path: Path) -> None:
    """CheckpointError naming the first thing that rosinality's program would compute in another way."""
    config = weights.config
    wanted = dict(
        arch="stylegan2", resample="fir", dim_input=4, g_architecture="skip", d_architecture="resnet", c_dim=0
    )
    for name, value in wanted.items():
        if getattr(config, name) != value:
            raise CheckpointError(
                f"{path} has {name} {getattr(config, name)!r}, but rosinality's program computes {name} {value!r} alone"
                + ("; --class N makes a network of one class" if name == "c_dim" else "")
            )
    if weights.step != config.max_step:
        raise CheckpointError(f"{path} has not grown to its last layer yet; rosinality's program knows no growing")
    top = config.channels(64) if config.max_step >= 4 else 256
    for resolution in config.block_resolutions:
        expected = CHANNELS.get(resolution, max(top * 64 // resolution, 1))
        if config.channels(resolution) != expected or top not in (256, 512, 1024):
            raise CheckpointError(
                f"{path} has {config.channels(resolution)} feature maps at {resolution} pixels, which rosinality's "
                "program cannot be told; it takes channel_max 512 and channel_base 16384 or 32768"
            )
    if config.conv_clamp:
        weights.notes.append(
            "rosinality's program does not bound feature maps; pictures may differ where they are large"
        )


def _expand(name: str, tensor: Tensor) -> Tensor:
    """A tensor of ours in rosinality's shape."""
    if name == "input.input" or name.endswith(".conv.weight"):
        return tensor[None].contiguous()
    if name.startswith("noises."):
        return tensor[None, None].contiguous()
    if name.startswith("to_rgb") and name.endswith(".bias") and "modulation" not in name:
        return tensor.reshape(1, -1, 1, 1)
    return tensor.reshape(1) if name.endswith("noise.weight") else tensor.contiguous()


def _kernels(config: ModelConfig) -> dict[str, Tensor]:
    """The filters that its generator stores, with the gain 4 of doubling both sides."""
    count = len(config.block_resolutions) - 1
    names = [f"convs.{2 * k}.conv.blur.kernel" for k in range(count)] + [
        f"to_rgbs.{k}.upsample.kernel" for k in range(count)
    ]
    return {name: fir_kernel() * 4 for name in names}


def _d_kernels(config: ModelConfig) -> dict[str, Tensor]:
    blocks = range(1, len(config.block_resolutions))
    return {f"convs.{k}.{part}.0.kernel": fir_kernel() for k in blocks for part in ("conv2", "skip")}

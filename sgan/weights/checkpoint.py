"""Checkpoint files of ours: safetensors with a JSON header. Nothing is ever unpickled.

A generator file holds G_ema alone, `state-<nimg>.safetensors` (`sgan.training.state`) a whole training. Every file is
written beside, synced and renamed, and has a checksum. Others' files open here too.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open
from safetensors.torch import save
from torch import Tensor

from provenance import write_bytes
from sgan.config import ConfigError, ModelConfig, TrainConfig, from_dict, part, resolution_of, to_dict
from sgan.networks.generator import Discriminator, Generator
from sgan.weights.files import (
    FORMAT,
    FORMAT_VERSION,
    CheckpointError,
    Row,
    check_sizes,
    checksum,
    config_of,
    drawn_step,
    file_hash,
    find_checkpoint,
    is_ours,
    newer_note,
    read_header,
    verify,
)
from sgan.weights.foreign import Foreign
from sgan.weights.formats import opening_notes, read_foreign


def read_weights(path: Path, drawing: bool = False) -> Foreign:
    """The networks of a file of ours or of another program, float32 and checked; CheckpointError names the file.

    drawing: of another program's, only the generator to draw with.
    """
    if not is_ours(path):
        return read_foreign(path, drawing)
    tensors, meta = read_tensors(path)
    config = config_of(ModelConfig, meta, path)
    networks = networks_in(tensors, meta["kind"])
    for name in ("G", "G_ema"):
        if name in networks:
            check_sizes(config, networks[name], path)
    return Foreign("", config, networks, drawn_step(meta, path))


def networks_in(tensors: dict[str, Tensor], kind: str) -> dict[str, dict[str, Tensor]]:
    if kind == "generator":
        return {"G_ema": {name: tensor.float() for name, tensor in tensors.items()}}
    networks: dict[str, dict[str, Tensor]] = {"G": {}, "D": {}, "G_ema": {}}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        if prefix in networks:
            networks[prefix][rest] = tensor.float()
    return networks


def load_network(network: torch.nn.Module, tensors: dict[str, Tensor], prefix: str, path: str | Path) -> None:
    own = {name.removeprefix(prefix): tensor for name, tensor in tensors.items() if name.startswith(prefix)}
    try:
        network.load_state_dict(own)
    except RuntimeError as error:
        detail = str(error).splitlines()[-1].strip()
        raise CheckpointError(f"{path} does not fit the network that its own settings describe: {detail}") from None


def save_generator(
    G: Generator, path: str | Path, meta: dict[str, Any], dtype: torch.dtype = torch.float32, step: int | None = None
) -> Path:
    """Writes a generator alone (weights in `dtype`) with `meta` in its header; returns the path.

    step cuts the network off at a lower resolution than it was built for: 2^(step+2).
    """
    config = G.config
    tensors = G.state_dict()
    if step is not None and step != config.max_step:
        config = from_dict(ModelConfig, {**to_dict(config), "max_step": step})
        names = Generator(config).state_dict().keys()
        tensors = {name: tensors[name] for name in names}
    tensors = {name: tensor.to(dtype) for name, tensor in tensors.items()}
    meta = {**meta, "kind": "generator", "config": to_dict(config)}
    write_tensors(Path(path), tensors, meta)
    return Path(path)


def fill_networks(networks: dict[str, torch.nn.Module], weights: Foreign, path: str | Path) -> list[str]:
    """Copies what fits of a file's tensors into "G", "D" and "G_ema"; returns what it was silent about.

    CheckpointError when a tensor has another shape, since half of a network is worth nothing, and when none fits.
    """
    sources = {"G": ("G", "G_ema"), "G_ema": ("G_ema", "G"), "D": ("D",)}
    notes, taken = [], 0
    for prefix, network in networks.items():
        tensors = next((weights.networks[name] for name in sources[prefix] if name in weights.networks), {})
        own = network.state_dict()
        shared = {name: tensors[name] for name in own if name in tensors}
        for name, tensor in shared.items():
            if tensor.shape != own[name].shape:
                raise CheckpointError(
                    f"{path} does not fit these settings: {prefix}.{name} is {list(tensor.shape)} there and "
                    f"{list(own[name].shape)} here; take channel_base, channel_max, dim_latent and the like from it"
                )
        network.load_state_dict(shared, strict=False)
        taken += len(shared)
        if tensors and len(shared) < len(own):
            notes.append(f"{prefix}: {len(own) - len(shared)} of {len(own)} tensors start from scratch")
    if not taken:
        raise CheckpointError(f"{path} has no tensor that fits this model; compare its config.json with the settings")
    return notes


def write_ours(weights: Foreign, path: Path, target: Path) -> str:
    """Writes a state (generator, moving average, discriminator), or a generator alone; returns what to say about it."""
    if "D" not in weights.networks:
        nimg = 0 if weights.source else read_header(path)[1].get("nimg", 0)
        step = weights.drawn_step
        save_generator(weights.generator(), target, {"source": weights.source, "nimg": nimg}, step=step)
        side = resolution_of(step)
        return f"{target}: generator of {side}x{side} pixels; draw with python -m sgan sample --checkpoint {target}"
    if not weights.source:
        raise ConfigError(f"{path} is in this format already; --generator_only takes its generator out")
    fading = weights.alpha < 1 and weights.step > weights.config.min_step
    config = TrainConfig(**part(weights.config, ModelConfig), step=weights.step - fading)
    nimg = int((1 + weights.alpha) * config.n_sample) if fading else 0
    torch.manual_seed(config.seed)
    networks = {"G": Generator(config.model), "D": Discriminator(config.model), "G_ema": Generator(config.model)}
    fill_networks(networks, weights, path)
    write_state_tensors(target, networks, config, {"nimg": nimg, "source": weights.source})
    side = config.resolution
    return (
        f"{target}: generator and discriminator of {side}x{side} pixels; fine-tune with python -m sgan train "
        f"--resume_from {target} --image_folder_path FOLDER"
    )


def write_state_tensors(
    path: Path, networks: dict[str, torch.nn.Module], config: TrainConfig, meta: dict[str, Any], **more: Tensor
) -> None:
    """Writes a training's networks and more tensors; `meta` adds to the header of a training that has just begun."""
    named = {prefix: network.state_dict() for prefix, network in networks.items()}
    tensors = {f"{prefix}.{name}": tensor for prefix, own in named.items() for name, tensor in own.items()}
    begun = {"kind": "state", "config": to_dict(config), "hparams": to_dict(config.hparams), "nimg": 0, "iteration": 0}
    write_tensors(path, tensors | more, begun | {"journal": []} | meta)


def load_generator(path: str | Path, device: torch.device | str = "cpu") -> Generator:
    """The generator of a file, told by its content, or of a folder; float32, ready to sample.

    Takes generator files and states (then G_ema) of ours, and the files that `weights.formats` reads.
    `G.meta` is the header of a file of ours, `G.checkpoint_hash` the SHA-256 of the file, `G.trained_step` the last
    layer that has faded in, and `G.notes` what to tell the user about it. CheckpointError when it is missing, damaged
    or of another kind.
    """
    folder, path = path, find_checkpoint(path)
    weights = read_weights(path, drawing=True)
    G = Generator(weights.config)
    load_network(G, weights.networks.get("G_ema") or weights.networks["G"], "", path)
    G = G.to(device).eval().requires_grad_(False)
    G.meta = {"kind": "foreign", "source": weights.source} if weights.source else read_header(path)[1]
    G.checkpoint_hash = file_hash(path)
    G.trained_step = weights.drawn_step
    G.notes = opening_notes(weights, path) + newer_note(folder, path)
    return G


def write_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes tensors and JSON-able meta as one safetensors file with a checksum over the tensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    header = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "meta": json.dumps(meta),
        "checksum": checksum(rows_of(tensors)),
    }
    write_bytes(path, save(tensors, metadata=header))


def read_tensors(path: Path, kind: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, meta) of a file of ours; CheckpointError names the file and what is wrong with it."""
    header, meta = read_header(path)
    if kind is not None and meta["kind"] != kind:
        raise CheckpointError(f"{path} is a {meta['kind']}; a {kind} is needed here")
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    verify(header, rows_of(tensors), path)
    return tensors, meta


def rows_of(tensors: dict[str, Tensor]) -> Iterator[Row]:
    """What the checksum of a file goes over."""
    for name, tensor in sorted(tensors.items()):
        data = tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b""
        yield name, str(tensor.dtype), tuple(tensor.shape), data

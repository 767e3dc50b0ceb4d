"""The whole state of a training, and files: safetensors with a JSON header. Nothing is ever unpickled.

`state-<nimg>.safetensors` holds networks, moving average, optimiser moments, counters and settings; a generator file
holds G_ema alone. Every file is written beside, synced and renamed, and has a checksum. Others' files open here too.
"""

import copy
import hashlib
import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor
from torch.amp import GradScaler

from provenance import temporary_beside
from sgan.config import FOREIGN_NAME, STATE_PATTERN, ConfigError, HParams, ModelConfig, TrainConfig, from_dict, to_dict
from sgan.foreign import Foreign
from sgan.formats import CheckpointError, check_sizes, file_hash, is_safetensors, opening_notes, read_foreign
from sgan.networks import Discriminator, Generator
from sgan.nvidia import choose_class

FORMAT = "random-unreal-face"
FORMAT_VERSION = 1
GENERATOR_NAME = "generator.safetensors"
BEST_NAME = "best.safetensors"  # the state that was judged best
ADAM_BETA2 = 0.99  # beta1 is 0: arXiv 1912.04958, appendix B
ADAM_EPS = 1e-8
KEEP_STATES = 2


@dataclass
class TrainState:
    """Everything that a step changes. `config` and `hparams` say how; nimg counts real images shown.

    ada_p is the probability of augmentations; pl_mean the mean path length; scalers the loss scales of float16 by term;
    micro_batch the images worked on at a time (0: the whole batch); journal: {"nimg", "patch"} for every change of
    hparams; notes: what to tell about loading it.
    """

    config: TrainConfig
    hparams: HParams
    device: torch.device
    G: Generator
    D: Discriminator
    G_ema: Generator
    G_opt: torch.optim.Adam
    D_opt: torch.optim.Adam
    nimg: int = 0
    iteration: int = 0
    ada_p: float = 0.0
    pl_mean: float = 0.0
    scalers: dict[str, GradScaler] = field(default_factory=dict)
    micro_batch: int = 0
    journal: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    @classmethod
    def create(cls, config: TrainConfig, device: torch.device | str = "cpu") -> "TrainState":
        """A fresh state; equal seeds give equal weights on every device."""
        device = torch.device(device)
        torch.manual_seed(config.seed)
        G, D = Generator(config.model), Discriminator(config.model)
        G_ema = copy.deepcopy(G).eval().requires_grad_(False)
        G, D, G_ema = G.to(device), D.to(device), G_ema.to(device)
        return cls(config, config.hparams, device, G, D, G_ema, _adam(G), _adam(D))

    def load_scalers(self, saved: dict[str, dict[str, Any]]) -> None:
        """Takes over loss scales, {term: GradScaler.state_dict()}."""
        self.scalers = {}
        for term, values in saved.items():
            self.scalers[term] = GradScaler(self.device.type)
            self.scalers[term].load_state_dict(values)

    def networks(self) -> dict[str, torch.nn.Module]:
        """The networks by the prefix of their tensors' names."""
        return {"G": self.G, "D": self.D, "G_ema": self.G_ema}

    def is_finite(self) -> bool:
        """Whether no network holds a NaN or an infinite number; waits for the device."""
        tensors = [tensor for network in self.networks().values() for tensor in network.state_dict().values()]
        return bool(torch.stack([tensor.isfinite().all() for tensor in tensors]).all())


def _adam(network: torch.nn.Module) -> torch.optim.Adam:
    return torch.optim.Adam(network.parameters(), lr=0.0, betas=(0.0, ADAM_BETA2), eps=ADAM_EPS, fused=True)


def _optimiser_tensors(prefix: str, network: torch.nn.Module, optimiser: torch.optim.Adam) -> dict[str, Tensor]:
    """Adam's second moment and step per parameter, by the parameter's name. Its first moment is the last gradient
    where beta1 is 0, and is kept too, since lazy regularisation may not be."""
    tensors = {}
    for name, parameter in network.named_parameters():
        for key, value in optimiser.state.get(parameter, {}).items():
            tensors[f"{prefix}.{name}.{key}"] = value
    return tensors


def write_state(state: TrainState, path: Path, **more: Any) -> None:
    """Writes everything of a state into one file; `more` goes into its header."""
    tensors = {}
    for prefix, network in state.networks().items():
        tensors.update({f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()})
    tensors.update(_optimiser_tensors("G_opt", state.G, state.G_opt))
    tensors.update(_optimiser_tensors("D_opt", state.D, state.D_opt))
    meta = {
        "kind": "state",
        "config": to_dict(state.config),
        "hparams": to_dict(state.hparams),
        "nimg": state.nimg,
        "iteration": state.iteration,
        "ada_p": state.ada_p,
        "pl_mean": state.pl_mean,
        "scalers": {term: scaler.state_dict() for term, scaler in state.scalers.items()},
        "journal": state.journal,
    }
    write_tensors(path, tensors, meta | more)


def save_state(state: TrainState, run_dir: str | Path) -> Path:
    """Writes `state-<nimg>.safetensors` into run_dir and returns the path.

    Of the older ones the newest KEEP_STATES stay, and the first after every config.milestone_every images.
    """
    run_dir = Path(run_dir)
    path = run_dir / f"state-{state.nimg:09d}.safetensors"
    write_state(state, path)
    kept = 0
    for old in sorted(run_dir.glob(STATE_PATTERN))[:-KEEP_STATES]:
        milestone = nimg_of(old) // state.config.milestone_every
        if old != path and milestone <= kept:
            old.unlink(missing_ok=True)
        kept = max(kept, milestone)
    return path


def nimg_of(path: Path) -> int:
    """The image count in a state's file name."""
    return int(path.stem.split("-")[1])


def load_state(path: str | Path, device: torch.device | str = "cpu") -> TrainState:
    """The TrainState of a state file (or of the newest one in a run folder)."""
    tensors, meta = read_tensors(find_checkpoint(path, "state"), kind="state")
    config = _config_of(TrainConfig, meta, path)
    check_sizes(config.model, _networks_in(tensors, "state")["G"], path)
    state = TrainState.create(config, device)
    state.hparams = _config_of(HParams, meta, path, "hparams")
    state.nimg, state.iteration, state.journal = meta["nimg"], meta["iteration"], meta["journal"]
    state.ada_p, state.pl_mean = meta.get("ada_p", 0.0), meta.get("pl_mean", 0.0)
    state.load_scalers(meta.get("scalers", {}))
    for prefix, network in state.networks().items():
        _load_network(network, tensors, f"{prefix}.", path)
    if not state.is_finite():
        raise CheckpointError(f"{path} holds networks with numbers that are not finite")
    for prefix, network, optimiser in (("G_opt", state.G, state.G_opt), ("D_opt", state.D, state.D_opt)):
        for name, parameter in network.named_parameters():
            if f"{prefix}.{name}.step" in tensors:
                # The fused Adam walks memory: moments must lie as their parameter does (channels_last).
                moments = {key: torch.empty_like(parameter.detach()) for key in ("exp_avg", "exp_avg_sq")}
                for key, moment in moments.items():
                    moment.copy_(tensors[f"{prefix}.{name}.{key}"])
                optimiser.state[parameter] = {**moments, "step": tensors[f"{prefix}.{name}.step"].to(device)}
    return state


def transfer_weights(state: TrainState, path: str | Path) -> int:
    """Copies every network tensor of another checkpoint; returns how many were taken.

    Any file that `read_weights` reads will do, also one with fewer or more layers. The optimiser starts afresh.
    CheckpointError when a tensor has another shape, since half of a network is worth nothing.
    """
    return copy_weights(state, read_weights(find_checkpoint(path, "state")), path)


def copy_weights(state: TrainState, weights: Foreign, path: str | Path) -> int:
    """`transfer_weights` of networks that were read from `path` before; of those with classes, class 0."""
    if weights.config.c_dim:
        state.notes.append(f"{path} has {weights.config.c_dim} classes; class 0 goes on (another: convert --class N)")
        weights = choose_class(weights, 0)
    found = weights.networks
    sources = {"G": ("G", "G_ema"), "G_ema": ("G_ema", "G"), "D": ("D",)}
    taken = 0
    for prefix, network in state.networks().items():
        tensors = next((found[name] for name in sources[prefix] if name in found), {})
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
            state.notes.append(f"{prefix}: {len(own) - len(shared)} of {len(own)} tensors start from scratch")
    if not taken:
        raise CheckpointError(f"{path} has no tensor that fits this model; compare its config.json with the settings")
    state.notes += opening_notes(weights, path)
    if "D" not in found:
        state.notes.append(f"{path} has no discriminator: it starts from scratch")
    return taken


def read_weights(path: Path, drawing: bool = False) -> Foreign:
    """The networks of a file of ours or of another program, float32 and checked; CheckpointError names the file.

    drawing: of another program's, only the generator to draw with.
    """
    if path.suffix != ".safetensors" and not is_safetensors(path):
        return read_foreign(path, drawing)
    tensors, meta = read_tensors(path)
    config = _config_of(ModelConfig, meta, path)
    networks = _networks_in(tensors, meta["kind"])
    for name in ("G", "G_ema"):
        if name in networks:
            check_sizes(config, networks[name], path)
    step = config.max_step
    if meta["kind"] == "state":
        step, alpha = _config_of(TrainConfig, meta, path).schedule(meta["nimg"])
        step = max(step - 1, config.min_step) if alpha < 1 else step
    return Foreign("", config, networks, step)


def _networks_in(tensors: dict[str, Tensor], kind: str) -> dict[str, dict[str, Tensor]]:
    if kind == "generator":
        return {"G_ema": {name: tensor.float() for name, tensor in tensors.items()}}
    networks: dict[str, dict[str, Tensor]] = {"G": {}, "D": {}, "G_ema": {}}
    for name, tensor in tensors.items():
        prefix, _, rest = name.partition(".")
        if prefix in networks:
            networks[prefix][rest] = tensor.float()
    return networks


def _config_of(kind: type, meta: dict[str, Any], path: str | Path, part: str = "config") -> Any:
    try:
        return from_dict(kind, meta[part])
    except (ConfigError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} describes no model that this version knows ({error})") from None


def _load_network(network: torch.nn.Module, tensors: dict[str, Tensor], prefix: str, path: str | Path) -> None:
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


def load_generator(path: str | Path, device: torch.device | str = "cpu") -> Generator:
    """The generator of a file, told by its content, or of a folder; float32, ready to sample.

    Takes generator files and states (then G_ema) of ours, and the files of other programs that `sgan.formats` reads.
    `G.meta` is the header of a file of ours, `G.checkpoint_hash` the SHA-256 of the file, `G.trained_step` the last
    layer that has faded in, and `G.notes` what to tell the user about it. CheckpointError when it is missing, damaged
    or of another kind.
    """
    folder, path = Path(path), find_checkpoint(path)
    weights = read_weights(path, drawing=True)
    G = Generator(weights.config)
    _load_network(G, weights.networks.get("G_ema") or weights.networks["G"], "", path)
    G = G.to(device).eval().requires_grad_(False)
    G.meta = {"kind": "foreign", "source": weights.source} if weights.source else read_header(path)[1]
    G.checkpoint_hash = file_hash(path)
    step = weights.step - 1 if weights.alpha < 1 else weights.step
    G.trained_step = max(step, weights.config.min_step)
    G.notes = opening_notes(weights, path)
    if path.name != GENERATOR_NAME and (folder / GENERATOR_NAME).is_file():
        G.notes.append(f"{path} is drawn, which is newer than {GENERATOR_NAME} beside it")
    return G


def _is_behind(run_dir: Path) -> bool:
    """Whether the training went on after it wrote its generator, which it does when it ends or is stopped."""
    states = sorted(run_dir.glob(STATE_PATTERN))
    return bool(states) and read_header(run_dir / GENERATOR_NAME)[1].get("nimg", 0) < nimg_of(states[-1])


def find_checkpoint(path: str | Path, kind: str = "generator") -> Path:
    """`path` itself if it is a file; in a folder the newest state, or for drawing a generator.safetensors as new."""
    path = Path(path)
    if path.is_dir():
        if kind == "generator" and (path / GENERATOR_NAME).is_file() and not _is_behind(path):
            return path / GENERATOR_NAME
        found = sorted(path.glob(STATE_PATTERN)) or [file for file in [path / FOREIGN_NAME] if file.is_file()]
        if not found:
            raise CheckpointError(f"{path} holds no {kind} (looked for {STATE_PATTERN} and {FOREIGN_NAME})")
        return found[-1]
    if not path.exists():
        raise CheckpointError(f"{path} does not exist; give a checkpoint file or the folder of one")
    return path


def write_bytes(path: str | Path, data: bytes) -> None:
    """Writes a file so that a reader sees the old one or the whole new one: beside, synced, renamed."""
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary_beside(path)
    try:
        with open(temporary, "wb") as file:
            file.write(data)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def write_tensors(path: Path, tensors: dict[str, Tensor], meta: dict[str, Any]) -> None:
    """Writes tensors and JSON-able meta as one safetensors file with a checksum over the tensors."""
    tensors = {name: tensor.detach().cpu().contiguous() for name, tensor in sorted(tensors.items())}
    header = {
        "format": FORMAT,
        "format_version": str(FORMAT_VERSION),
        "meta": json.dumps(meta),
        "checksum": _checksum(tensors),
    }
    write_bytes(path, save(tensors, metadata=header))


def read_header(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """(header, meta) of a file of ours; CheckpointError names the file and what is wrong with it."""
    try:
        with safe_open(path, framework="pt") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file ({error})") from None
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but no checkpoint of this project")
    try:
        version, meta = int(header["format_version"]), json.loads(header["meta"])
        kind = str(meta["kind"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise CheckpointError(f"{path} is damaged: its header cannot be read") from None
    if version > FORMAT_VERSION:
        raise CheckpointError(f"{path} has format version {version}; update the project to read it")
    if kind not in ("state", "generator"):
        raise CheckpointError(
            f"{path} is a {kind[:40]}, which this version does not know; update the project to read it"
        )
    return header, meta


def read_tensors(path: Path, kind: str | None = None) -> tuple[dict[str, Tensor], dict[str, Any]]:
    """(tensors, meta) of a file of ours; CheckpointError names the file and what is wrong with it."""
    header, meta = read_header(path)
    if kind is not None and meta["kind"] != kind:
        raise CheckpointError(f"{path} is a {meta['kind']}; a {kind} is needed here")
    with safe_open(path, framework="pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 - not a dict
    if header.get("checksum") != _checksum(tensors):
        raise CheckpointError(f"{path} is damaged: its tensors do not match their checksum")
    return tensors, meta


def _checksum(tensors: dict[str, Tensor]) -> str:
    digest = hashlib.sha256()
    for name, tensor in sorted(tensors.items()):
        digest.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\0".encode())
        digest.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().data if tensor.numel() else b"")
    return digest.hexdigest()

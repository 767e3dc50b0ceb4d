"""The whole state of a training, and its file.

`state-<nimg>.safetensors` holds networks, moving average, optimiser moments, counters and settings, in the format of
`sgan.weights.checkpoint`.
"""

import copy
import inspect
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler

from sgan.config import STATE_PATTERN, HParams, TrainConfig, to_dict
from sgan.networks.generator import Discriminator, Generator
from sgan.weights.checkpoint import (
    config_of,
    fill_networks,
    find_checkpoint,
    load_network,
    networks_in,
    nimg_of,
    read_tensors,
    read_weights,
    write_state_tensors,
)
from sgan.weights.foreign import CheckpointError, Foreign
from sgan.weights.formats import check_sizes, opening_notes
from sgan.weights.nvidia import choose_class

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


class Adam(torch.optim.Adam):
    """PyTorch's, less what wraps its methods for torch.compile: that would import the compiler at once, 2 s."""

    add_param_group = inspect.unwrap(torch.optim.Adam.add_param_group)
    zero_grad = inspect.unwrap(torch.optim.Adam.zero_grad)

    @torch.no_grad()
    def step(self) -> None:
        """One update."""
        inspect.unwrap(torch.optim.Adam.step)(self)


def _adam(network: torch.nn.Module) -> Adam:
    return Adam(network.parameters(), lr=0.0, betas=(0.0, ADAM_BETA2), eps=ADAM_EPS, fused=True)


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
    meta = {
        "hparams": to_dict(state.hparams),
        "nimg": state.nimg,
        "iteration": state.iteration,
        "ada_p": state.ada_p,
        "pl_mean": state.pl_mean,
        "scalers": {term: scaler.state_dict() for term, scaler in state.scalers.items()},
        "journal": state.journal,
    }
    moments = _optimiser_tensors("G_opt", state.G, state.G_opt) | _optimiser_tensors("D_opt", state.D, state.D_opt)
    write_state_tensors(path, state.networks(), state.config, meta | more, **moments)


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


def load_state(path: str | Path, device: torch.device | str = "cpu") -> TrainState:
    """The TrainState of a state file (or of the newest one in a run folder)."""
    tensors, meta = read_tensors(find_checkpoint(path, "state"), kind="state")
    config = config_of(TrainConfig, meta, path)
    check_sizes(config.model, networks_in(tensors, "state")["G"], path)
    state = TrainState.create(config, device)
    state.hparams = config_of(HParams, meta, path, "hparams")
    state.nimg, state.iteration, state.journal = meta["nimg"], meta["iteration"], meta["journal"]
    state.ada_p, state.pl_mean = meta.get("ada_p", 0.0), meta.get("pl_mean", 0.0)
    state.load_scalers(meta.get("scalers", {}))
    for prefix, network in state.networks().items():
        load_network(network, tensors, f"{prefix}.", path)
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


def transfer_weights(state: TrainState, path: str | Path) -> None:
    """Copies every network tensor of another checkpoint.

    Any file that `read_weights` reads will do, also one with fewer or more layers. The optimiser starts afresh.
    CheckpointError when a tensor has another shape, since half of a network is worth nothing.
    """
    copy_weights(state, read_weights(find_checkpoint(path, "state")), path)


def copy_weights(state: TrainState, weights: Foreign, path: str | Path) -> None:
    """`transfer_weights` of networks that were read from `path` before; of those with classes, class 0."""
    if weights.config.c_dim:
        state.notes.append(f"{path} has {weights.config.c_dim} classes; class 0 goes on (another: convert --class N)")
        weights = choose_class(weights, 0, path)
    state.notes += fill_networks(state.networks(), weights, path) + opening_notes(weights, path)
    if "D" not in weights.networks:
        state.notes.append(f"{path} has no discriminator: it starts from scratch")

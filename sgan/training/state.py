"""The whole state of a training, and its file.

`state-<nimg>.safetensors` holds networks, moving average, optimiser moments, counters and settings, in the format of
`sgan.weights.checkpoint`.
"""

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.amp import GradScaler

from sgan.config import STATE_PATTERN, HParams, TrainConfig, to_dict
from sgan.networks.generator import Discriminator, Generator
from sgan.weights.checkpoint import (
    fill_networks,
    load_network,
    networks_in,
    read_tensors,
    read_weights,
    write_state_tensors,
)
from sgan.weights.files import CheckpointError, check_sizes, config_of, find_checkpoint, nimg_of
from sgan.weights.foreign import Foreign
from sgan.weights.formats import opening_notes
from sgan.weights.nvidia import choose_class

ADAM_BETA2 = 0.99  # beta1 is 0: arXiv 1912.04958, appendix B
ADAM_EPS = 1e-8
KEEP_STATES = 2
NUMBERS = ("nimg", "iteration", "ada_p", "pl_mean")  # of a state, beside tensors and settings
MOMENTS = ("step", "exp_avg", "exp_avg_sq")  # of a parameter, in Adam's state


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
        return cls(config, config.hparams, device, G, D, G_ema, make_adam(G), make_adam(D))

    def numbers(self) -> dict[str, Any]:
        """What training changes beside tensors and settings, as plain types."""
        scalers = {term: scaler.state_dict() for term, scaler in self.scalers.items()}
        return {name: getattr(self, name) for name in NUMBERS} | {"scalers": scalers}

    def take_numbers(self, saved: Mapping[str, Any]) -> None:
        """Takes over what `numbers` gave, as far as it is there."""
        for name in set(NUMBERS) & set(saved):
            setattr(self, name, saved[name])
        self.scalers = {term: GradScaler(self.device.type) for term in saved.get("scalers", {})}
        for term, scaler in self.scalers.items():
            scaler.load_state_dict(saved["scalers"][term])

    def networks(self) -> dict[str, torch.nn.Module]:
        """The networks by the prefix of their tensors' names."""
        return {"G": self.G, "D": self.D, "G_ema": self.G_ema}

    def optimisers(self) -> dict[str, tuple[torch.nn.Module, torch.optim.Adam]]:
        """The networks that are trained, each with its optimiser."""
        return {"G": (self.G, self.G_opt), "D": (self.D, self.D_opt)}

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


def make_adam(network: torch.nn.Module) -> Adam:
    """The optimiser of a network; the learning rate is set at every step."""
    return Adam(network.parameters(), lr=0.0, betas=(0.0, ADAM_BETA2), eps=ADAM_EPS, fused=True)


def write_state(state: TrainState, path: Path, **more: Any) -> None:
    """Writes everything of a state into one file; `more` goes into its header.

    Adam's first moment is the last gradient where beta1 is 0, and is kept too, since lazy regularisation may not be.
    """
    moments = {
        f"{prefix}_opt.{name}.{key}": value
        for prefix, (network, optimiser) in state.optimisers().items()
        for name, parameter in network.named_parameters()
        for key, value in optimiser.state.get(parameter, {}).items()
    }
    meta = {"hparams": to_dict(state.hparams), **state.numbers(), "journal": state.journal, **more}
    write_state_tensors(path, state.networks(), state.config, meta, **moments)


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
    state.journal = meta["journal"]
    state.take_numbers(meta)
    for prefix, network in state.networks().items():
        load_network(network, tensors, f"{prefix}.", path)
    if not state.is_finite():
        raise CheckpointError(f"{path} holds networks with numbers that are not finite")
    for prefix, (network, optimiser) in state.optimisers().items():
        moments = {
            name: {key: tensors[f"{prefix}_opt.{name}.{key}"] for key in MOMENTS}
            for name, _ in network.named_parameters()
            if f"{prefix}_opt.{name}.step" in tensors
        }
        put_moments(network, optimiser, moments)
    return state


def put_moments(
    network: torch.nn.Module, optimiser: torch.optim.Adam, moments: Mapping[str, Mapping[str, Tensor]]
) -> None:
    """Gives Adam the moments, by the names of parameters, whose shapes fit.

    The fused Adam walks memory: they must lie as their parameter does (channels_last).
    """
    for name, parameter in network.named_parameters():
        found = moments.get(name)
        if found and found["exp_avg"].shape == found["exp_avg_sq"].shape == parameter.shape:
            entry = {key: torch.empty_like(parameter.detach()).copy_(found[key]) for key in MOMENTS[1:]}
            optimiser.state[parameter] = {**entry, "step": found["step"].to(parameter.device)}


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

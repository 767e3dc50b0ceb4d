"""The whole state of a detail network's training, and its file."""

import copy
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from sgan.config import STATE_PATTERN, ConfigError, to_dict
from sgan.networks.detail import CropDiscriminator, DetailNetwork
from sgan.networks.efficientnet import EfficientNetLite0
from sgan.training.detail.settings import DetailConfig, DetailHParams
from sgan.training.state import KEEP_STATES, make_adam, put_moments
from sgan.weights.checkpoint import load_network, read_tensors, write_tensors
from sgan.weights.companions.detail import STATE_KIND
from sgan.weights.companions.efficientnet import load_efficientnet
from sgan.weights.files import config_of, find_checkpoint


@dataclass
class DetailState:
    """Everything that a step changes; nimg counts crops shown."""

    config: DetailConfig
    hparams: DetailHParams
    device: torch.device
    G: DetailNetwork
    D: CropDiscriminator
    G_ema: DetailNetwork
    G_opt: torch.optim.Adam
    D_opt: torch.optim.Adam
    nimg: int = 0
    iteration: int = 0
    journal: list[dict[str, Any]] = field(default_factory=list)
    efficientnet: EfficientNetLite0 | None = None

    @classmethod
    def create(cls, config: DetailConfig, device: torch.device | str = "cpu") -> "DetailState":
        """A fresh state; equal seeds give equal weights on every device."""
        device = torch.device(device)
        torch.manual_seed(config.seed)
        G = DetailNetwork(**config.build())
        D = CropDiscriminator()
        G_ema = copy.deepcopy(G).eval().requires_grad_(False)
        G, D, G_ema = G.to(device), D.to(device), G_ema.to(device)
        return cls(config, config.hparams, device, G, D, G_ema, make_adam(G), make_adam(D))

    def networks(self) -> dict[str, torch.nn.Module]:
        """The networks by the prefix of their tensors' names."""
        return {"G": self.G, "D": self.D, "G_ema": self.G_ema}

    def optimised(self) -> dict[str, tuple[torch.nn.Module, torch.optim.Adam]]:
        """Networks with their optimisers, by the prefix of the moments' names."""
        return {"G_opt": (self.G, self.G_opt), "D_opt": (self.D, self.D_opt)}

    def need_features(self) -> EfficientNetLite0:
        """EfficientNet, loaded when it is first needed; ConfigError saying what to install where it is missing."""
        if self.efficientnet is None:
            try:
                self.efficientnet = load_efficientnet(self.device)
            except ImportError as error:
                raise ConfigError(f"feature_weight is {self.hparams.feature_weight:g}, but {error}") from None
        return self.efficientnet

    def is_finite(self) -> bool:
        """Whether no network holds a NaN or an infinite number."""
        return all(bool(p.isfinite().all()) for network in self.networks().values() for p in network.parameters())


def save_detail(state: DetailState, run_dir: str | Path) -> Path:
    """Writes `state-<nimg>.safetensors` into run_dir, of which the newest stay; returns the path.

    Adam's first moment is the last gradient, since beta1 is 0, and need not be kept; a discriminator that has not
    learned yet neither.
    """
    tensors = {}
    for prefix, network in state.networks().items():
        if prefix != "D" or state.D_opt.state:
            tensors.update({f"{prefix}.{name}": tensor for name, tensor in network.state_dict().items()})
    for prefix, (network, optimiser) in state.optimised().items():
        for name, parameter in network.named_parameters():
            for key in {"exp_avg_sq", "step"} & set(optimiser.state.get(parameter, {})):
                tensors[f"{prefix}.{name}.{key}"] = optimiser.state[parameter][key]
    meta = {
        "kind": STATE_KIND, "config": to_dict(state.config), "hparams": to_dict(state.hparams), "nimg": state.nimg,
        "iteration": state.iteration, "journal": state.journal, "network": state.G.built,
    }  # fmt: skip
    path = Path(run_dir) / f"state-{state.nimg:09d}.safetensors"
    write_tensors(path, tensors, meta)
    for old in sorted(Path(run_dir).glob(STATE_PATTERN))[:-KEEP_STATES]:
        old.unlink(missing_ok=True)
    return path


def load_detail(path: str | Path, device: torch.device | str = "cpu") -> DetailState:
    """The DetailState of a state file, or of the newest one in a run folder."""
    path = find_checkpoint(path, "state")
    tensors, meta = read_tensors(path, kind=STATE_KIND)
    state = DetailState.create(config_of(DetailConfig, meta, path), device)
    state.hparams = config_of(DetailHParams, meta, path, "hparams")
    state.nimg, state.iteration, state.journal = meta["nimg"], meta["iteration"], meta["journal"]
    for prefix, network in state.networks().items():
        if prefix != "D" or any(name.startswith("D.") for name in tensors):
            load_network(network, tensors, f"{prefix}.", path)
    for prefix, (network, optimiser) in state.optimised().items():
        moments: dict[str, dict[str, Tensor]] = {}
        for name in (name for name in tensors if name.startswith(f"{prefix}.")):
            parameter, _, key = name.removeprefix(f"{prefix}.").rpartition(".")
            moments.setdefault(parameter, {})[key] = tensors[name]
        for entry in moments.values():
            entry["exp_avg"] = torch.zeros_like(entry["exp_avg_sq"])
        put_moments(network, optimiser, moments)
    return state

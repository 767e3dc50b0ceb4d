"""Going on from weights made elsewhere: where a training stood, and the settings that its networks ask for."""

import dataclasses
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from sgan.config import ConfigError, ModelConfig, TrainConfig
from sgan.training.state import TrainState, copy_weights
from sgan.weights.checkpoint import find_checkpoint, read_weights


def model_settings(path: str | Path) -> dict[str, Any]:
    """The settings with which a training can take over the networks of a checkpoint: ModelConfig's fields and step.

    step is the last trained layer. Classes are left out, since training knows none.
    """
    weights = read_weights(find_checkpoint(path, "state"))
    settings = {f.name: getattr(weights.config, f.name) for f in dataclasses.fields(ModelConfig)}
    return {**settings, "c_dim": 0, "step": weights.step}


def resume_foreign(config: TrainConfig, path: str | Path, device: torch.device | str = "cpu") -> TrainState:
    """A state that goes on where another program's training stood: its networks, layer and fade.

    nimg is what `config.schedule` needs for that. Adam's moments are taken over where the file has them. ConfigError
    when config does not allow it.
    """
    weights = read_weights(Path(path))
    step, images = weights.position or (weights.step, 0)
    if not config.step <= step <= config.max_step:
        raise ConfigError(f"{path} stands at layer {step}, which is not between step and max_step; set them so")
    for name in ("arch", "n_fc", "dim_latent"):
        ours, theirs = getattr(config, name), getattr(weights.config, name)
        if ours != theirs:
            raise ConfigError(f"{name} is {ours}, but {path} has {theirs}; set {name} to {theirs}")
    state = TrainState.create(config, device)
    copy_weights(state, weights, path)
    for network, optimiser, name in ((state.G, state.G_opt, "G"), (state.D, state.D_opt, "D")):
        copy_moments(network, optimiser, weights.moments.get(name, {}))
    images = int(weights.alpha * config.n_sample) if weights.alpha < 1 else images
    last = config.n_sample if step == config.max_step else config.n_sample - 1
    images = max(images, last) if step == config.max_step and weights.alpha == 1 else min(images, last)
    state.nimg, state.iteration = (step - config.step) * config.n_sample + images, weights.iteration
    return state


def copy_moments(network: nn.Module, optimiser: torch.optim.Adam, moments: dict[str, dict[str, Tensor]]) -> None:
    """Gives the optimiser the moments whose names and shapes fit, in the memory layout of the parameters."""
    for name, parameter in network.named_parameters():
        found = moments.get(name)
        if found and found["exp_avg"].shape == found["exp_avg_sq"].shape == parameter.shape:
            entry = {key: torch.empty_like(parameter.detach()) for key in ("exp_avg", "exp_avg_sq")}
            for key, moment in entry.items():
                moment.copy_(found[key])
            optimiser.state[parameter] = {**entry, "step": found["step"].to(parameter.device)}

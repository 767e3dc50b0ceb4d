"""Going on from weights made elsewhere: where a training stood, and the settings that its networks ask for."""

import dataclasses
from pathlib import Path
from typing import Any

import torch

from sgan.config import ConfigError, ModelConfig, TrainConfig
from sgan.state import TrainState, copy_weights, find_checkpoint, read_weights


def model_settings(path: str | Path) -> dict[str, Any]:
    """The settings with which a training can take over the networks of a checkpoint: ModelConfig's fields and step.

    step is the last trained layer. Classes are left out, since training knows none.
    """
    weights = read_weights(find_checkpoint(path, "state"))
    settings = {f.name: getattr(weights.config, f.name) for f in dataclasses.fields(ModelConfig)}
    return {**settings, "c_dim": 0, "step": weights.step}


def resume_foreign(config: TrainConfig, path: str | Path, device: torch.device | str = "cpu") -> TrainState:
    """A state that goes on where another program's training stood: its networks, layer and fade.

    nimg is what `config.schedule` needs for that; the optimiser starts afresh. ConfigError when config does not allow
    it.
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
    images = int(weights.alpha * config.n_sample) if weights.alpha < 1 else images
    last = config.n_sample if step == config.max_step else config.n_sample - 1
    images = max(images, last) if step == config.max_step and weights.alpha == 1 else min(images, last)
    state.nimg, state.iteration = (step - config.step) * config.n_sample + images, weights.iteration
    return state

"""The state that a run begins with: fresh, its own newest one, or one with weights made elsewhere."""

from pathlib import Path
from typing import Any

import torch

from sgan.config import FOREIGN_NAME, STATE_PATTERN, ConfigError, HParams, ModelConfig, TrainConfig, part
from sgan.launch.folder import newest_state
from sgan.training.state import TrainState, copy_weights, load_state, put_moments, transfer_weights
from sgan.weights.checkpoint import find_checkpoint, read_weights
from sgan.weights.foreign import CheckpointError


def open_state(config: TrainConfig, device: torch.device) -> TrainState:
    """A fresh state, the newest one of save_folder_path (is_continue), or one with the weights of resume_from.

    A trained.pth of SiskonEmilia's program in save_folder_path is gone on from as well.

    When continuing, the networks must be the saved ones; live settings that were changed since stay changed, unless
    `config` gives another value than the run had. A damaged newest state is passed over for the one before, which
    `state.notes` tells.
    """
    if config.is_continue and newest_state(config.save_folder_path) is not None:
        state = _load_newest(config.save_folder_path, device)
        theirs = part(state.config, ModelConfig)
        for name, ours in part(config, ModelConfig).items():
            if ours != theirs[name]:
                raise ConfigError(
                    f"{name} is {ours}, but the run in {config.save_folder_path} has {theirs[name]}; keep it, or "
                    "choose another save_folder_path (with resume_from to start from these weights)"
                )
        _adopt_config(state, config)
        return state
    foreign = Path(config.save_folder_path) / FOREIGN_NAME
    if config.is_continue and foreign.is_file():
        return resume_foreign(config, foreign, device)
    if not config.is_train:
        raise CheckpointError(f"{config.save_folder_path} holds no state; train first (is_train True)")
    state = TrainState.create(config, device)
    if config.resume_from:
        transfer_weights(state, config.resume_from)
    return state


def _load_newest(run_dir: str, device: torch.device) -> TrainState:
    """The newest state that can be read; CheckpointError of the newest when none can."""
    notes: list[str] = []
    for path in sorted(Path(run_dir).glob(STATE_PATTERN), reverse=True):
        try:
            state = load_state(path, device)
        except CheckpointError as error:
            notes.append(str(error))
        else:
            state.notes = [f"{note}; going on from the state before it" for note in notes]
            return state
    raise CheckpointError(notes[0])


def _adopt_config(state: TrainState, config: TrainConfig) -> None:
    """Takes the settings of this run, journalling those live ones that differ from the run's first."""
    before = part(state.config, HParams)
    patch = {name: value for name, value in part(config, HParams).items() if value != before[name]}
    state.config = config
    if patch:
        state.hparams = state.hparams.changed(patch)
        state.journal.append({"nimg": state.nimg, "patch": patch})


def model_settings(path: str | Path) -> dict[str, Any]:
    """The settings with which a training can take over the networks of a checkpoint: ModelConfig's fields and step.

    step is the last trained layer. Classes are left out, since training knows none.
    """
    weights = read_weights(find_checkpoint(path, "state"))
    return {**part(weights.config, ModelConfig), "c_dim": 0, "step": weights.step}


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
    for name, (network, optimiser) in state.optimisers().items():
        put_moments(network, optimiser, weights.moments.get(name, {}))
    images = int(weights.alpha * config.n_sample) if weights.alpha < 1 else images
    last = config.n_sample if step == config.max_step else config.n_sample - 1
    images = max(images, last) if step == config.max_step and weights.alpha == 1 else min(images, last)
    state.nimg, state.iteration = (step - config.step) * config.n_sample + images, weights.iteration
    return state

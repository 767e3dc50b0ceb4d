"""A training of the detail network from its settings: state, data, files."""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from provenance import GENERATED, Mark, write_image
from sgan.config import ConfigError, from_dict, to_dict
from sgan.data.crops import pair_batches, shrink, split_pictures
from sgan.data.dataset import open_dataset
from sgan.events import Control, Event, Finished, Grid
from sgan.launch.folder import Occupation, begin_run
from sgan.networks.device import resolve_device, resolve_precision
from sgan.training.detail.loop import train_detail
from sgan.training.detail.settings import DetailConfig, DetailHParams
from sgan.training.detail.state import DetailState, load_detail
from sgan.training.keeper import LOGS, truncate_rows, write_journal
from sgan.weights.companions.detail import DETAIL_NAME, save_detail_network
from sgan.weights.files import newest_state

RESOLUTION = 512
SHEET = 4  # held-out pictures on the sheets


def open_detail(given: Mapping[str, Any]) -> DetailState:
    """A fresh state, or the newest one of save_folder_path, with the settings that were given; those that are live
    enter the journal where they differ."""
    run_dir = Path(given.get("save_folder_path", DetailConfig.save_folder_path))
    if newest_state(run_dir) is None:
        config = from_dict(DetailConfig, given)
        if not config.image_folder_path:
            raise ConfigError("image_folder_path is missing; give the folder of sharp pictures to train on")
        return _ready(DetailState.create(config, resolve_device(config.device)))
    state = load_detail(run_dir, resolve_device(given.get("device", "auto")))
    config = from_dict(DetailConfig, to_dict(state.config) | given)
    for name in config.build():
        if getattr(config, name) != getattr(state.config, name):
            raise ConfigError(f"{name} is {getattr(config, name)}, but the run in {run_dir} has another")
    live = {f.name for f in dataclasses.fields(DetailHParams)}
    patch = {name: given[name] for name in live & set(given) if given[name] != getattr(state.hparams, name)}
    state.config = config
    if patch:
        state.hparams = state.hparams.changed(patch)
        state.journal.append({"nimg": state.nimg, "patch": patch})
    return _ready(state)


def _ready(state: DetailState) -> DetailState:
    """The state, once it is known that what its terms need is there."""
    if state.hparams.feature_weight:
        state.need_features()
    return state


def run_detail(state: DetailState, control: Control, progress: Callable = iter) -> Iterator[Event]:
    """The events of a run; sheets, logs and states appear in save_folder_path."""
    config, run_dir = state.config, Path(state.config.save_folder_path)
    dataset = open_dataset(config.image_folder_path, RESOLUTION, progress=progress)
    held = split_pictures(dataset)[1]
    occupation = Occupation(run_dir)
    begin_run(run_dir, config, dataset)
    for name in LOGS:
        truncate_rows(run_dir / name, state.nimg)
    write_journal(run_dir, state.journal)
    large = np.stack([dataset.pixels[RESOLUTION][i] for i in held[:: max(1, len(held) // SHEET)][:SHEET]])
    small = np.stack([shrink(picture) for picture in large])
    events = train_detail(
        state,
        lambda nimg: pair_batches(dataset, config.crop, config.mini_batch_size, config.balance, config.seed, nimg),
        control,
        run_dir=run_dir,
        sheet=(small, large),
        dtype=resolve_precision(config.precision, state.device),
    )
    try:
        for event in events:
            if isinstance(event, Grid):
                mark = Mark(GENERATED, {"nimg": event.nimg})
                write_image(run_dir / f"sheet-{event.nimg:09d}.jpg", event.image, mark)
            elif isinstance(event, Finished):
                meta = {"nimg": state.nimg, "history": state.journal}
                save_detail_network(state.G_ema, run_dir / DETAIL_NAME, meta)
            yield event
    finally:
        events.close()
        occupation.release()

"""A training run from its settings: device, data, state, files. One process or several workers, one event stream."""

import atexit
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from sgan.config import ConfigError, TrainConfig, resolution_of
from sgan.data.dataset import Dataset, image_batches, open_dataset
from sgan.events import Control, Event
from sgan.judging.checkpoint import check_enough, state_judge
from sgan.launch.folder import Occupation, begin_run, set_aside
from sgan.launch.record import Recorder, grid_latents, recorded, write_grid
from sgan.launch.resume import open_state
from sgan.networks.device import own_device, resolve_device, resolve_precision
from sgan.networks.ops import group_of
from sgan.training.arithmetic import Compiled
from sgan.training.keeper import write_journal
from sgan.training.loop import draw_grid, train
from sgan.training.state import TrainState
from sgan.training.workers import rank, reason_of, world
from sgan.weights.files import newest_state

PATIENCE = timedelta(hours=2)  # of those who wait while rank 0 measures, draws or saves; NCCL's own is 10 minutes


def run_training(
    config: TrainConfig,
    control: Control | None = None,
    progress: Callable[[Sequence], Sequence] = iter,
    on_open: Callable[[TrainState, Dataset], None] = lambda state, dataset: None,
    replay: Iterable[Mapping[str, Any]] = (),
) -> Iterator[Event]:
    """The events of a whole run; grids, plot, logs, states and the generator appear in save_folder_path.

    progress wraps the files' numbers while they are decoded; on_open is told state and data before the first step;
    replay repeats the changes of an earlier run's hparams.jsonl. With is_train False the only event is the grid of
    the saved state.
    """
    device = join_workers(resolve_device(config.device))
    if config.n_gpu > 1 and world() == 1:
        raise ConfigError(
            f"n_gpu is {config.n_gpu}, but run_training trains in this process alone; set n_gpu to 1, or start it with "
            "python -m sgan train, torchrun or the notebook's panel"
        )
    check_batches(config, world())
    if not config.is_train:
        return _draw_alone(config, device)
    dataset = open_dataset(config.image_folder_path, config.resolution, progress=progress)
    if config.metrics_every:
        check_enough(min(len(dataset), config.metrics_images), "metrics_every")
    with ExitStack() as held:
        state = _occupy(config, device, dataset, held)
        recorder = Recorder(Path(config.save_folder_path), state) if rank() == 0 else None
        settings = _settings(state, dataset)
        on_open(state, dataset)
        batches = lambda nimg: image_batches(dataset, config, nimg, rank(), world())  # noqa: E731
        events = train(state, batches, control or Control(), replay=replay, **settings)
        return _while_held(recorded(events, recorder), held.pop_all())


def join_workers(device: torch.device) -> torch.device:
    """Where this process computes; joins the group when it is one of several workers.

    RuntimeError when the others cannot be reached.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return device
    device = own_device(device)
    exchange = {"backend": "nccl", "device_id": device} if device.type == "cuda" else {"backend": "gloo"}
    try:
        if not dist.is_initialized():
            dist.init_process_group(timeout=PATIENCE, **exchange)
            if exchange["backend"] == "gloo":  # whose threads abort a process that ends with them
                atexit.register(dist.destroy_process_group)
    except RuntimeError as error:
        raise RuntimeError(f"the processes of this training cannot join: {reason_of(error)}") from error
    return device


def _draw_alone(config: TrainConfig, device: torch.device) -> Iterator[Event]:
    """The grid of the saved state, drawn beside what may be a running training: no log is touched."""
    grid = draw_grid(open_state(config, device), grid_latents(config))
    if rank() == 0:
        write_grid(Path(config.save_folder_path), grid)
    return iter([grid])


def _occupy(config: TrainConfig, device: torch.device, dataset: Dataset, held: ExitStack) -> TrainState:
    """The state to begin with; its folder, which `held` keeps from others, is made ready for the run."""
    run_dir = Path(config.save_folder_path)
    if rank() == 0:
        held.callback(Occupation(run_dir).release)
    fresh = not config.is_continue or newest_state(run_dir) is None
    state = open_state(config, device)
    if world() > 1:
        dist.barrier()  # what another process still reads must not be set aside
    if rank() == 0:
        if fresh:
            set_aside(run_dir)
        begin_run(run_dir, config, dataset)
        write_journal(run_dir, state.journal)
    return state


def _while_held(events: Iterator[Event], held: ExitStack) -> Iterator[Event]:
    """The events, after whose end the folder is free."""
    with held:
        yield from events


def _settings(state: TrainState, dataset: Dataset) -> dict[str, Any]:
    """How train() is to go about it, from the config; what is worth telling goes into state.notes."""
    config, first = state.config, rank() == 0
    if not state.hparams.r1_gamma:
        size = resolution_of(config.schedule(state.nimg)[0])
        state.notes.append(state.hparams.r1_reason(size, config.batch_size_at(size)))
    if config.compile:
        state.notes.append("the networks are compiled when they are first used, which takes minutes")
    return dict(
        until_nimg=config.n_sample_total,
        save_nimg=config.save_every,
        save_minutes=config.save_minutes,
        metrics_nimg=config.metrics_every,
        run_dir=config.save_folder_path,
        grid_z=grid_latents(config) if first else None,
        judge=state_judge(dataset, config.metrics_images) if first else None,
        dtype=resolve_precision(config.precision, state.device),
        compiled=Compiled(state) if config.compile else None,
    )


def check_batches(config: TrainConfig, world: int) -> None:
    """ConfigError when a batch cannot be shared equally by the processes, or in shares without minibatch statistics."""
    for resolution in map(resolution_of, range(config.step, config.max_step + 1)):
        size = config.batch_size_at(resolution)
        if size % world:
            raise ConfigError(f"batch size {size} at resolution {resolution} cannot be shared by {world} processes")
        share = size // world
        if world > 1 and config.mbstd_group_size > 1 and group_of(share, config.mbstd_group_size) == 1:
            raise ConfigError(
                f"batch size {size} at resolution {resolution} gives each of {world} processes {share}, which makes no "
                f"groups of 2 to {config.mbstd_group_size} for minibatch statistics; take {world * 4} or another "
                f"multiple of {world * 2}, or fewer processes"
            )


def check_workers(config: TrainConfig) -> None:
    """ConfigError when n_gpu processes cannot train with these settings here."""
    if resolve_device(config.device).type == "cuda" and torch.cuda.device_count() < config.n_gpu:
        raise ConfigError(f"n_gpu is {config.n_gpu}, but PyTorch sees {torch.cuda.device_count()} CUDA devices")
    check_batches(config, config.n_gpu)

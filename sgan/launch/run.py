"""A training run from its settings: device, data, state, files. One process or several workers, one event stream."""

import dataclasses
import json
import os
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import torch
import torch.distributed as dist

from provenance import remove_leftovers
from sgan.config import (
    FOREIGN_NAME,
    STATE_PATTERN,
    ConfigError,
    HParams,
    ModelConfig,
    TrainConfig,
    resolution_of,
    to_dict,
)
from sgan.data.dataset import Dataset, image_batches, open_dataset
from sgan.events import Control, Event, Grid
from sgan.faces.sampling import seed_to_z
from sgan.judging.checkpoint import check_enough, state_judge
from sgan.launch.occupation import Occupation
from sgan.launch.record import GRID_SAMPLES, GRID_SEED, Recorder, recorded, write_grid
from sgan.launch.resume import resume_foreign
from sgan.networks.ops import group_of
from sgan.training.arithmetic import Compiled
from sgan.training.logs import LOGS, write_journal
from sgan.training.loop import draw_grid, train
from sgan.training.state import TrainState, load_state, transfer_weights
from sgan.training.workers import reason_of
from sgan.weights.checkpoint import BEST_NAME, GENERATOR_NAME, write_bytes
from sgan.weights.formats import CheckpointError

PATIENCE = timedelta(hours=2)  # of those who wait while rank 0 measures, draws or saves; NCCL's own is 10 minutes


def resolve_device(name: str) -> torch.device:
    """The torch device of "auto", "cpu", "cuda", "cuda:N" or "mps"; ConfigError when it is not there."""
    if name == "auto":
        name = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        device = torch.device(name)
    except RuntimeError:
        raise ConfigError(f"device {name!r} is unknown; use auto, cpu, cuda, cuda:N or mps") from None
    if device.type == "cuda":
        found = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if (device.index or 0) >= found:
            raise ConfigError(f"device {name} is not there: PyTorch sees {found} CUDA devices; use device cpu")
    elif device.type == "mps" and not torch.backends.mps.is_available():
        raise ConfigError("device mps is not there: PyTorch finds no Apple GPU; use device cpu")
    elif device.type not in ("cpu", "mps"):
        raise ConfigError(f"device {name!r} is not supported; use auto, cpu, cuda, cuda:N or mps")
    return device


def resolve_precision(name: str, device: torch.device) -> torch.dtype:
    """The dtype of the feature maps. auto: bfloat16 where the hardware multiplies it, else float32."""
    if name != "auto":
        return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[name]
    if device.type == "cuda":
        return torch.bfloat16 if torch.cuda.is_bf16_supported(including_emulation=False) else torch.float32
    if device.type == "cpu" and Path("/proc/cpuinfo").exists():
        flags = Path("/proc/cpuinfo").read_text()
        return torch.bfloat16 if "avx512_bf16" in flags or "amx_bf16" in flags else torch.float32
    return torch.float32


def newest_state(run_dir: str | Path) -> Path | None:
    """The newest state file of a run folder, or None."""
    states = sorted(Path(run_dir).glob(STATE_PATTERN))
    return states[-1] if states else None


def open_state(config: TrainConfig, device: torch.device) -> TrainState:
    """A fresh state, the newest one of save_folder_path (is_continue), or one with the weights of resume_from.

    A trained.pth of SiskonEmilia's program in save_folder_path is gone on from as well.

    When continuing, the networks must be the saved ones; live settings that were changed since stay changed, unless
    `config` gives another value than the run had. A damaged newest state is passed over for the one before, which
    `state.notes` tells.
    """
    if config.is_continue and newest_state(config.save_folder_path) is not None:
        state = _load_newest(config.save_folder_path, device)
        for f in dataclasses.fields(ModelConfig):
            ours, theirs = getattr(config, f.name), getattr(state.config, f.name)
            if ours != theirs:
                raise ConfigError(
                    f"{f.name} is {ours}, but the run in {config.save_folder_path} has {theirs}; keep it, or choose "
                    "another save_folder_path (with resume_from to start from these weights)"
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
    patch = {
        f.name: getattr(config, f.name)
        for f in dataclasses.fields(HParams)
        if getattr(config, f.name) != getattr(state.config, f.name)
    }
    state.config = config
    if patch:
        state.hparams = state.hparams.changed(patch)
        state.journal.append({"nimg": state.nimg, "patch": patch})


def set_aside(run_dir: Path) -> Path | None:
    """Moves the files of an earlier run in this folder into `earlier-N`, so that starting anew loses nothing."""
    others = (*LOGS, "config.json", "generator.json", "losses.png", "tensorboard")
    patterns = (STATE_PATTERN, "grid-*.jpg", GENERATOR_NAME, BEST_NAME, *others)
    files = [path for pattern in patterns for path in sorted(run_dir.glob(pattern))]
    if not files:
        return None
    number = 1
    while (run_dir / f"earlier-{number}").exists():
        number += 1
    target = run_dir / f"earlier-{number}"
    target.mkdir()
    for path in files:
        path.rename(target / path.name)
    return target


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
    device = resolve_device(config.device)
    rank, world = join_workers(device)
    if world > 1 and device.type == "cuda":
        device = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    if config.n_gpu > 1 and world == 1:
        raise ConfigError(
            f"n_gpu is {config.n_gpu}, but run_training trains in this process alone; set n_gpu to 1, or start it with "
            "python -m sgan train, torchrun or the notebook's panel"
        )
    check_batches(config, world)
    run_dir = Path(config.save_folder_path)
    dataset = _open_data(config, progress) if config.is_train else None
    with ExitStack() as held:
        if config.is_train and rank == 0:
            held.callback(Occupation(run_dir).release)
        fresh = not config.is_continue or newest_state(run_dir) is None
        state = open_state(config, device)
        if world > 1:
            dist.barrier()  # what another process still reads must not be set aside
        if rank == 0 and fresh:
            set_aside(run_dir)
        grid_z = torch.cat([seed_to_z(GRID_SEED + i, config.z_dim) for i in range(GRID_SAMPLES)])
        if dataset is None:
            return _grid_alone(draw_grid(state, grid_z), run_dir if rank == 0 else None)
        if rank == 0:
            remove_leftovers(run_dir)
            _describe_run(run_dir, config, dataset)
            write_journal(run_dir, state.journal)
        recorder = Recorder(run_dir, state) if rank == 0 else None
        settings = _settings(state, device)
        on_open(state, dataset)
        events = train(
            state,
            lambda nimg: image_batches(dataset, config, nimg, rank, world),
            control or Control(),
            run_dir=run_dir,
            grid_z=grid_z if rank == 0 else None,
            judge=state_judge(dataset, config.metrics_images) if rank == 0 else None,
            replay=replay,
            **settings,
        )
        return _while_held(recorded(events, recorder), held.pop_all())


def _while_held(events: Iterator[Event], held: ExitStack) -> Iterator[Event]:
    """The events, after whose end the folder is free."""
    with held:
        yield from events


def _grid_alone(grid: Grid, run_dir: Path | None) -> Iterator[Event]:
    """The event of a grid that is drawn beside what may be a running training: no log is touched."""
    if run_dir is not None:
        write_grid(run_dir, grid)
    yield grid


def _open_data(config: TrainConfig, progress: Callable[[Sequence], Sequence]) -> Dataset:
    """The pictures; ConfigError when there are too few for what is asked."""
    dataset = open_dataset(config.image_folder_path, config.resolution, progress=progress)
    if config.metrics_every:
        check_enough(min(len(dataset), config.metrics_images), "metrics_every")
    return dataset


def _settings(state: TrainState, device: torch.device) -> dict[str, Any]:
    """How train() is to go about it, from the config; what is worth telling goes into state.notes."""
    config = state.config
    if not state.hparams.r1_gamma:
        level = config.schedule(state.nimg)[0]
        size = resolution_of(level)
        state.notes.append(state.hparams.r1_reason(size, config.batch_size_at(size)))
    if config.compile:
        state.notes.append("the networks are compiled when they are first used, which takes minutes")
    return dict(
        until_nimg=config.n_sample_total,
        save_nimg=config.save_every,
        save_minutes=config.save_minutes,
        metrics_nimg=config.metrics_every,
        dtype=resolve_precision(config.precision, device),
        compiled=Compiled(state) if config.compile else None,
    )


def _backend(device: torch.device) -> dict[str, Any]:
    """By what the processes exchange, and for NCCL with which GPU, which is this process's from now on."""
    if device.type != "cuda":
        return {"backend": "gloo"}
    own = torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
    torch.cuda.set_device(own)
    return {"backend": "nccl", "device_id": own}


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


def _describe_run(run_dir: Path, config: TrainConfig, dataset: Dataset) -> None:
    """config.json, and bad_images.txt when files had to be left out."""
    write_bytes(run_dir / "config.json", (json.dumps(to_dict(config), indent=1) + "\n").encode())
    if dataset.bad:
        lines = "".join(f"{name}\t{reason}\n" for name, reason in dataset.bad)
        write_bytes(run_dir / "bad_images.txt", lines.encode())


def join_workers(device: torch.device) -> tuple[int, int]:
    """(rank, world size); joins the group when this process is one of its workers.

    RuntimeError when the others cannot be reached.
    """
    if "RANK" not in os.environ or int(os.environ.get("WORLD_SIZE", 1)) == 1:
        return 0, 1
    if not dist.is_initialized():
        try:
            dist.init_process_group(timeout=PATIENCE, **_backend(device))
        except RuntimeError as error:
            raise RuntimeError(f"the processes of this training cannot join: {reason_of(error)}") from error
    return dist.get_rank(), dist.get_world_size()

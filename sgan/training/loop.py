"""train(): one generator of events. It never prints, plots or opens a window; consumers do."""

import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sgan.config import resolution_of
from sgan.events import (
    Changed,
    Control,
    Event,
    Finished,
    Grid,
    Measured,
    NotCompiled,
    RolledBack,
    SaveFailed,
    Shrunk,
    Stats,
    Step,
)
from sgan.networks.generator import swap_layers
from sgan.training.arithmetic import Arithmetic, Compiled
from sgan.training.keeper import JOURNAL, Keeper, passes
from sgan.training.meter import CHECK_INTERVAL, Meter
from sgan.training.rescue import RESCUES, Lifeline
from sgan.training.state import TrainState
from sgan.training.step import step
from sgan.training.workers import any_process, rank
from sgan.viz import fit_cell, make_grid, to_uint8


def train(
    state: TrainState,
    batches: Iterable[np.ndarray] | Callable[[int], Iterable[np.ndarray]],
    control: Control,
    *,
    until_nimg: int,
    save_nimg: int,
    save_minutes: float = 0.0,
    run_dir: str | Path | None = None,
    grid_z: Tensor | None = None,
    dtype: torch.dtype = torch.float32,
    compiled: Compiled | None = None,
    judge: Callable[[TrainState], Mapping[str, float]] | None = None,
    metrics_nimg: int = 0,
    replay: Iterable[Mapping[str, Any]] = (),
) -> Iterator[Event]:
    """Trains `state` in place until until_nimg images and yields what happens, always on an iteration boundary.

    batches: uint8 [N, 3, R, R] arrays, R and N as state.config.schedule(nimg) says, or a function from an image count
    to such arrays from there on; only with the latter can a ruined training go back. The state is saved to run_dir
    every save_nimg images or save_minutes (0: never by time), at the end, and when the consumer closes the iterator.
    grid_z [n, z_dim] are the fixed latents of the Grid events (None: no grids); dtype is that of the feature maps, and
    compiled has compiled networks. judge measures the state every metrics_nimg images (0: never); the state with the
    smallest "swd" of its "resolution" is kept. replay gives {"nimg", "patch"} rows of an earlier journal to be applied
    when their time comes. FloatingPointError: ruined, and no way back.
    """
    keeper = Keeper(state, run_dir if rank() == 0 else None, save_nimg, save_minutes)
    work, replay = Arithmetic(state, dtype, compiled), deque(sorted(replay, key=lambda row: row["nimg"]))
    run = _Run(work, keeper, control, batches, grid_z, judge, metrics_nimg if judge else 0, replay)
    try:
        while True:
            yield from run.take_changes()
            stopped = any_process(control.stopped, state.device)
            if stopped or state.nimg >= until_nimg:
                break
            yield from run.advance()
    except GeneratorExit:
        list(keeper.save())
        raise
    yield from run.finish("stopped" if stopped else "done")


@dataclass
class _Run:
    """train()'s parts, bound together: how the state is computed and kept, where pictures and changes come from.

    told: why the networks are not compiled, as far as it was told.
    """

    work: Arithmetic
    keeper: Keeper
    control: Control
    source: Iterable[np.ndarray] | Callable[[int], Iterable[np.ndarray]]
    grid_z: Tensor | None
    judge: Callable[[TrainState], Mapping[str, float]] | None
    metrics_nimg: int
    replay: deque[Mapping[str, Any]]
    told: str = ""

    def __post_init__(self):
        self.state = self.work.state
        self.lifeline = Lifeline(self.state) if callable(self.source) else None
        self.begin()

    def begin(self) -> None:
        """Pictures from where the state stands, and means that start anew."""
        self.batches = iter(self.source(self.state.nimg) if callable(self.source) else self.source)
        self.meter = Meter()

    def take_changes(self) -> Iterator[Changed]:
        """Applies and journals new hyper-parameters: those to be replayed whose time has come, and those posted."""
        state, due = self.state, []
        while self.replay and self.replay[0]["nimg"] <= state.nimg:
            due.append(self.replay.popleft()["patch"])
        for patch in due + self.control.drain():
            state.hparams = state.hparams.changed(patch)
            state.journal.append({"nimg": state.nimg, "patch": patch})
            self.keeper.append(JOURNAL, state.journal[-1])
            yield Changed(state.nimg, state.iteration, patch)

    def advance(self) -> Iterator[Event]:
        """One step, and what comes after it as far as it is due: news, a rescue, losses, a grid, a verdict, a save."""
        state, work = self.state, self.work
        micro_batch = state.micro_batch
        event = step(work, next(self.batches), self.meter)
        yield event
        if state.micro_batch != micro_batch:
            yield Shrunk(state.nimg, state.iteration, state.micro_batch)
        if work.compiled.reason != self.told:
            self.told = work.compiled.reason
            yield NotCompiled(state.nimg, state.iteration, self.told)
        if state.iteration % CHECK_INTERVAL == 0 and (rolled_back := self.check_losses()):
            yield rolled_back
            return
        if state.iteration % state.hparams.n_show_loss == 0:
            yield self.read_stats(event)
        if self.grid_z is not None and state.iteration % state.hparams.n_show_grid == 0:
            yield draw_grid(state, self.grid_z)
        if self.metrics_nimg and passes(event, self.metrics_nimg):
            yield from self.measure()
        if self.keeper.is_due(event):
            yield from self.keeper.save()

    def finish(self, reason: str) -> Iterator[Event]:
        """The last grid, the last save, the end."""
        if self.grid_z is not None:
            yield draw_grid(self.state, self.grid_z)
        yield from self.keeper.save()
        yield Finished(self.state.nimg, self.state.iteration, reason)

    def check_losses(self) -> RolledBack | None:
        """Looks at the losses; goes back to the last good state when they say that all is lost."""
        state, reason = self.state, self.meter.alarm.reason()
        if not reason:
            if self.lifeline is not None:
                self.lifeline.confirm(state)
            return None
        if self.lifeline is None:
            raise FloatingPointError(f"the training is ruined after {state.nimg} images: {reason}")
        if self.lifeline.rescues == RESCUES:
            raise FloatingPointError(
                f"the training is ruined after {state.nimg} images ({reason}), and going back {RESCUES} times did not "
                "help; start from an older state or with other settings"
            )
        patch = self.lifeline.rescue(state)
        self.begin()
        self.keeper.take_back()
        self.keeper.append(JOURNAL, state.journal[-1])
        return RolledBack(state.nimg, state.iteration, reason, patch)

    def read_stats(self, event: Step) -> Stats:
        """The means since the last time, also as a row of stats.jsonl."""
        values = self.meter.read(self.state, event, self.control.take_held())
        self.keeper.append("stats.jsonl", {"nimg": event.nimg, "iteration": event.iteration, **values})
        return Stats(event.nimg, event.iteration, values)

    def measure(self) -> Iterator[Measured | SaveFailed]:
        """Judges the state; the best one so far is kept as BEST_NAME, with its quality in the header."""
        state, began = self.state, time.monotonic()
        values = dict(self.judge(state))
        self.meter.since += time.monotonic() - began  # which is no training time
        self.keeper.append("metrics.jsonl", {"nimg": state.nimg, "iteration": state.iteration, **values})
        path, failed = self.keeper.keep_best(values)
        yield Measured(state.nimg, state.iteration, values, path)
        if failed:
            yield SaveFailed(state.nimg, state.iteration, failed)


@torch.no_grad()
def draw_grid(state: TrainState, grid_z: Tensor) -> Grid:
    """Samples of G_ema from fixed latents [n, z_dim] at the current resolution, one at a time to bound memory.

    The layers in config.style_mixing take their style from the next latent. Large faces are made smaller, so that the
    picture has at most GRID_SIDE pixels a side.
    """
    config = state.config
    level, alpha = config.schedule(state.nimg)
    ws = state.G_ema.mapping(grid_z.to(state.device))
    ws = swap_layers(ws, ws.roll(-1, dims=0), config.model, config.style_mixing)
    images = (state.G_ema.synthesis(w[None], step=level, alpha=alpha, noise_mode="const") for w in ws)
    cells = [fit_cell(to_uint8(image)[0], len(ws)) for image in images]
    return Grid(state.nimg, state.iteration, make_grid(np.stack(cells)), resolution_of(level))

"""train(): one generator of events. It never prints, plots or opens a window; consumers do."""

import math
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sgan.config import STATE_PATTERN, resolution_of
from sgan.events import (
    Changed,
    Control,
    Event,
    Finished,
    Grid,
    Measured,
    NotCompiled,
    RolledBack,
    Saved,
    SaveFailed,
    Shrunk,
    Stats,
    Step,
)
from sgan.networks.generator import swap_layers
from sgan.training.arithmetic import Arithmetic, Compiled
from sgan.training.logs import JOURNAL, LOGS, append_row, truncate_rows
from sgan.training.meter import Meter
from sgan.training.rescue import CHECK_INTERVAL, RESCUES, Lifeline
from sgan.training.state import TrainState, save_state, write_state
from sgan.training.step import step
from sgan.training.workers import any_process, rank
from sgan.viz import fit_cell, make_grid, to_uint8
from sgan.weights.checkpoint import BEST_NAME, nimg_of, read_header
from sgan.weights.formats import CheckpointError

RETRY_INTERVAL = 100  # iterations until a save that failed is tried again


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
    run = _Run(
        state, batches, control, Arithmetic(state, dtype, compiled), save_nimg, save_minutes * 60 or math.inf,
        Path(run_dir) if run_dir is not None and rank() == 0 else None, grid_z, judge, metrics_nimg if judge else 0,
        sorted(replay, key=lambda row: row["nimg"]),
    )  # fmt: skip
    try:
        while True:
            yield from run.take_changes()
            stopped = any_process(control.stopped, state.device)
            if stopped or state.nimg >= until_nimg:
                break
            event = step(run.work, next(run.batches), run.meter)
            yield event
            yield from run.look_after(event)
    except GeneratorExit:
        list(run.save_rest())
        raise
    if grid_z is not None:
        yield draw_grid(state, grid_z)
    yield from run.save_rest()
    yield Finished(state.nimg, state.iteration, "stopped" if stopped else "done")


@dataclass
class _Run:
    """What train() keeps beside the state: the stream of batches, the meter, the files, the lifeline."""

    state: TrainState
    source: Any
    control: Control
    work: Arithmetic
    save_nimg: int
    save_seconds: float
    run_dir: Path | None
    grid_z: Tensor | None
    judge: Callable[[TrainState], Mapping[str, float]] | None
    metrics_nimg: int
    pending: list[Mapping[str, Any]]

    def __post_init__(self):
        state = self.state
        if self.run_dir is not None:
            self.run_dir.mkdir(parents=True, exist_ok=True)
        self.can_go_back = callable(self.source)
        self.batches = iter(self.source(state.nimg) if self.can_go_back else self.source)
        self.meter = Meter(state.device)
        self.lifeline = Lifeline(state) if self.can_go_back else None
        self.saved_at = self.measured_at = state.nimg
        self.saved_when, self.retry_at, self.failing, self.saved_mark = time.monotonic(), 0, False, None
        self.judging = 0.0  # seconds since the last Stats, which are not training time
        self.told = (state.micro_batch, "")

    def take_changes(self) -> Iterator[Changed]:
        """Applies and journals new hyper-parameters: those to be replayed whose time has come, and those posted."""
        state = self.state
        due = [row["patch"] for row in self.pending if row["nimg"] <= state.nimg]
        self.pending = self.pending[len(due) :]
        for patch in due + self.control.drain():
            state.hparams = state.hparams.changed(patch)
            state.journal.append({"nimg": state.nimg, "patch": patch})
            self.append_line(JOURNAL, state.journal[-1])
            yield Changed(state.nimg, state.iteration, patch)

    def look_after(self, event: Step) -> Iterator[Event]:
        """What comes after a step, as far as it is due: news, a rescue, losses, a grid, a verdict, a save."""
        state = self.state
        yield from self.tell_news()
        if state.iteration % CHECK_INTERVAL == 0:
            rolled_back = self.check_losses()
            if rolled_back is not None:
                yield rolled_back
                return
        if state.iteration % state.hparams.n_show_loss == 0:
            yield self.read_stats(event)
        if self.grid_z is not None and state.iteration % state.hparams.n_show_grid == 0:
            yield draw_grid(state, self.grid_z)
        if self.metrics_nimg and state.nimg // self.metrics_nimg > self.measured_at // self.metrics_nimg:
            yield from self.measure()
        if self.save_is_due():
            yield from self.save()

    def tell_news(self) -> Iterator[Shrunk | NotCompiled]:
        """What the last step had to do differently from the steps before."""
        state, (micro_batch, reason) = self.state, self.told
        self.told = (state.micro_batch, self.work.compiled.reason)
        if state.micro_batch != micro_batch:
            yield Shrunk(state.nimg, state.iteration, state.micro_batch)
        if self.work.compiled.reason != reason:
            yield NotCompiled(state.nimg, state.iteration, self.work.compiled.reason)

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
        self.meter = Meter(state.device)
        self.batches = iter(self.source(state.nimg))
        self.saved_at, self.measured_at = min(self.saved_at, state.nimg), min(self.measured_at, state.nimg)
        self.saved_mark = None
        if self.run_dir is not None:
            for late in states_after(self.run_dir, state.nimg):
                late.unlink(missing_ok=True)
            for name in LOGS:
                truncate_rows(self.run_dir / name, state.nimg)
        self.append_line(JOURNAL, state.journal[-1])
        return RolledBack(state.nimg, state.iteration, reason, patch)

    def read_stats(self, event: Step) -> Stats:
        """The means since the last time, also as a row of stats.jsonl."""
        state, held = self.state, self.control.take_held() + self.judging
        values, self.judging = self.meter.read(state, event, held), 0.0
        self.append_line("stats.jsonl", {"nimg": state.nimg, "iteration": state.iteration, **values})
        return Stats(state.nimg, state.iteration, values)

    def measure(self) -> Iterator[Measured | SaveFailed]:
        """Judges the state; the best one so far is kept as BEST_NAME, with its quality in the header."""
        state, path, failed, began = self.state, "", "", time.monotonic()
        values = dict(self.judge(state))
        self.measured_at, self.judging = state.nimg, self.judging + time.monotonic() - began
        self.append_line("metrics.jsonl", {"nimg": state.nimg, "iteration": state.iteration, **values})
        if self.run_dir is not None and is_better(values, best_quality(self.run_dir)):
            try:
                write_state(state, self.run_dir / BEST_NAME, quality=values)
                path = str(self.run_dir / BEST_NAME)
            except OSError as error:
                failed = f"{error.filename or self.run_dir}: {error.strerror or error}"
        yield Measured(state.nimg, state.iteration, values, path)
        if failed:
            yield SaveFailed(state.nimg, state.iteration, failed)

    def save_is_due(self) -> bool:
        """Whether save_nimg images or the minutes have passed, or a failed save should be tried again."""
        due = self.state.nimg // self.save_nimg > self.saved_at // self.save_nimg
        due = due or time.monotonic() - self.saved_when > self.save_seconds
        return due and self.state.iteration >= self.retry_at

    def save_rest(self) -> Iterator[Saved | SaveFailed]:
        """Saves what the last save does not hold yet."""
        if self.saved_mark != (self.state.nimg, len(self.state.journal)):
            yield from self.save()

    def save(self) -> Iterator[Saved | SaveFailed]:
        """Saves the state. When the disk refuses, says so once and tries again RETRY_INTERVAL iterations later."""
        state = self.state
        if self.run_dir is None:
            return
        if not state.is_finite():  # the losses will say so at the next look; what is saved already must outlive that
            self.retry_at = state.iteration + CHECK_INTERVAL
            yield SaveFailed(state.nimg, state.iteration, "the networks hold numbers that are not finite")
            return
        try:
            path = save_state(state, self.run_dir)
        except OSError as error:
            self.retry_at = state.iteration + RETRY_INTERVAL
            if not self.failing:
                self.failing = True
                reason = f"{error.filename or self.run_dir}: {error.strerror or error}"
                yield SaveFailed(state.nimg, state.iteration, reason)
            return
        self.saved_at, self.saved_when, self.failing = state.nimg, time.monotonic(), False
        self.saved_mark = (state.nimg, len(state.journal))
        yield Saved(state.nimg, state.iteration, str(path))

    def append_line(self, name: str, row: Mapping[str, Any]) -> None:
        """Adds a row to a log; a full disk costs the row, not the training."""
        if self.run_dir is not None:
            with suppress(OSError):
                append_row(self.run_dir / name, row)


def best_quality(run_dir: Path) -> dict[str, float]:
    """The quality in the header of BEST_NAME; empty where there is none."""
    try:
        return read_header(run_dir / BEST_NAME)[1].get("quality", {})
    except CheckpointError:
        return {}


def is_better(values: Mapping[str, float], than: Mapping[str, float]) -> bool:
    """Whether a verdict has the smaller "swd", or comes from a higher resolution than the other."""
    if values.get("swd") is None or than.get("resolution", 0) > values["resolution"]:
        return False
    return than.get("resolution", 0) < values["resolution"] or values["swd"] < than["swd"]


def states_after(run_dir: Path, nimg: int) -> list[Path]:
    """State files of a later image count than nimg: of a future that was taken back."""
    return [path for path in run_dir.glob(STATE_PATTERN) if nimg_of(path) > nimg]


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

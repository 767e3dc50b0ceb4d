"""The training of the detail network: supervised on crops of pictures, and against a discriminator of crops."""

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sgan.config import DETAIL_SCALE
from sgan.events import Changed, Control, Event, Finished, Grid, Saved, SaveFailed, Stats, Step
from sgan.networks.detail import add_detail, enlarge, to_float
from sgan.networks.efficientnet import feature_distance
from sgan.training import losses
from sgan.training.detail.state import DetailState, save_detail
from sgan.training.keeper import JOURNAL, append_row
from sgan.training.step import ema_beta, update_ema
from sgan.viz import make_grid, resize

PART = 4  # a quarter of the batch is enough for the dear terms, R1 and EfficientNet's features
FEATURE_STRIDES = (2, 4, 8)  # of EfficientNet: detail is small


def step(state: DetailState, pair: tuple[np.ndarray, np.ndarray], dtype: torch.dtype) -> dict[str, Tensor]:
    """One iteration: D, now and then R1, then G and its moving average; returns the losses, detached.

    pair: small uint8 [N, 3, H, W] and large [N, 3, 4H, 4W].
    """
    hparams, (small, large) = state.hparams, (to_float(part, state.device) for part in pair)
    enlarged, made, found = enlarge(small), state.G.detail(small, dtype), {}
    real = large - enlarged
    loss = found["l1"] = (made - real).abs().mean()
    loss = loss * hparams.l1_weight
    if hparams.feature_weight:
        part = slice(0, max(1, len(real) // PART))
        pictures = (enlarged + made)[part], large[part]
        found["features"] = feature_distance(state.need_features(), *pictures, FEATURE_STRIDES).mean()
        loss = loss + hparams.feature_weight * found["features"]
    if hparams.adversarial_weight:
        known, wanted = _update_D(state, real, made.detach(), small, dtype)
        state.D.requires_grad_(False)
        logits, features = state.D(made, small, dtype)
        state.D.requires_grad_(True)
        found |= known | {"loss_g": losses.generator_loss(logits).mean()}
        found["matching"] = torch.stack(
            [(a - b).abs().mean(dtype=torch.float32) for a, b in zip(features, wanted)]
        ).mean()
        loss = loss + hparams.adversarial_weight * found["loss_g"] + hparams.matching_weight * found["matching"]
    loss.backward()
    _descend(state.G_opt, hparams.learning_rate)
    update_ema(state.G_ema, state.G, ema_beta(hparams, state.nimg, len(small)))
    state.nimg += len(small)
    state.iteration += 1
    return {name: value.detach() for name, value in found.items()}


def _update_D(
    state: DetailState, real: Tensor, made: Tensor, small: Tensor, dtype: torch.dtype
) -> tuple[dict[str, Tensor], list[Tensor]]:
    """D's update and every d_reg_interval-th time R1, with float32 feature maps, on a part of the batch.

    Returns (what is reported, D's feature maps of the real detail).
    """
    (real_logits, features), (made_logits, _) = state.D(real, small, dtype), state.D(made, small, dtype)
    found = {"loss_d": (losses.real_loss(real_logits) + losses.fake_loss(made_logits)).mean()}
    found |= {"real_sign": real_logits.sign().mean(), "fake_sign": made_logits.sign().mean()}
    loss, interval = found["loss_d"], state.hparams.d_reg_interval
    if state.iteration % interval == 0:
        part = slice(0, max(1, len(real) // PART))
        seen = real[part].clone().requires_grad_(True)
        logits = state.D(seen, small[part])[0].mean(dim=(1, 2, 3))
        found["r1"] = losses.r1_penalty(seen, logits).mean()
        loss = loss + found["r1"] * (state.hparams.r1_gamma / 2 * interval)
    loss.backward()
    _descend(state.D_opt, state.hparams.learning_rate)
    return found, [feature.detach() for feature in features]


def _descend(optimiser: torch.optim.Adam, learning_rate: float) -> None:
    for group in optimiser.param_groups:
        group["lr"] = learning_rate
    optimiser.step()
    optimiser.zero_grad(set_to_none=True)


def train_detail(
    state: DetailState,
    source: Callable[[int], Iterator[tuple[np.ndarray, np.ndarray]]],
    control: Control,
    *,
    run_dir: str | Path | None = None,
    sheet: tuple[np.ndarray, np.ndarray] | None = None,
    dtype: torch.dtype = torch.float32,
) -> Iterator[Event]:
    """Trains `state` in place until config.n_sample_total crops and yields what happens, on iteration boundaries.

    source(nimg): pairs from that crop on. sheet: (small uint8 [N, h, w, 3], large [N, 4h, 4w, 3]) of the Grid events.
    The state is saved to run_dir at the config's intervals, at the end, and when the consumer closes the iterator.
    """
    run = _Run(state, Path(run_dir) if run_dir is not None else None)
    batches = source(state.nimg)
    try:
        while True:
            yield from run.take_changes(control)
            if control.stopped or state.nimg >= state.config.n_sample_total:
                break
            batch = next(batches)
            run.add(step(state, batch, dtype))
            yield Step(state.nimg, state.iteration, batch[1].shape[-1], 1.0, len(batch[0]))
            if state.iteration % state.hparams.n_show_loss == 0:
                yield run.read_stats(control)
            if sheet is not None and state.iteration % state.hparams.n_show_grid == 0:
                yield draw_sheet(state, *sheet)
            if run.save_is_due():
                yield from run.save()
    except GeneratorExit:
        list(run.save_rest())
        raise
    if sheet is not None:
        yield draw_sheet(state, *sheet)
    yield from run.save_rest()
    yield Finished(state.nimg, state.iteration, "stopped" if control.stopped else "done")


class _Run:
    """What the loop keeps beside the state: sums of losses, clocks, files."""

    def __init__(self, state: DetailState, run_dir: Path | None):
        self.state, self.run_dir = state, run_dir
        self.sums: dict[str, list] = {}
        self.since, self.since_nimg = time.monotonic(), state.nimg
        self.saved_when, self.saved_nimg, self.saved_mark = time.monotonic(), state.nimg, None
        if run_dir is not None:
            run_dir.mkdir(parents=True, exist_ok=True)

    def add(self, found: dict[str, Tensor]) -> None:
        for name, value in found.items():
            entry = self.sums.setdefault(name, [0.0, 0])
            entry[0] += value
            entry[1] += 1

    def take_changes(self, control: Control) -> Iterator[Changed]:
        state = self.state
        for patch in control.drain():
            state.hparams = state.hparams.changed(patch)
            state.journal.append({"nimg": state.nimg, "patch": patch})
            self.log(JOURNAL, state.journal[-1])
            yield Changed(state.nimg, state.iteration, patch)

    def read_stats(self, control: Control) -> Stats:
        state, now = self.state, time.monotonic()
        values = {name: float(total) / count for name, (total, count) in self.sums.items()}
        self.sums = {}
        if not all(np.isfinite(value) for value in values.values()):
            raise FloatingPointError(f"the training is ruined after {state.nimg} crops: {values}")
        values |= {"kimg": state.nimg / 1000, "learning_rate": state.hparams.learning_rate}
        seconds = now - self.since - control.take_held()
        values["sec_per_kimg"] = seconds * 1000 / max(state.nimg - self.since_nimg, 1)
        self.since, self.since_nimg = now, state.nimg
        self.log("stats.jsonl", {"nimg": state.nimg, "iteration": state.iteration, **values})
        return Stats(state.nimg, state.iteration, values)

    def log(self, name: str, row: dict[str, Any]) -> None:
        if self.run_dir is not None:
            append_row(self.run_dir / name, row)

    def save_is_due(self) -> bool:
        config, state = self.state.config, self.state
        due = state.nimg // config.save_every > self.saved_nimg // config.save_every
        return due or bool(config.save_minutes) and time.monotonic() - self.saved_when > config.save_minutes * 60

    def save_rest(self) -> Iterator[Saved | SaveFailed]:
        """Saves what the last save does not hold yet."""
        if self.saved_mark != (self.state.nimg, len(self.state.journal)):
            yield from self.save()

    def save(self) -> Iterator[Saved | SaveFailed]:
        state = self.state
        if self.run_dir is None:
            return
        self.saved_when, self.saved_nimg = time.monotonic(), state.nimg
        if not state.is_finite():
            yield SaveFailed(state.nimg, state.iteration, "the networks hold numbers that are not finite")
            return
        try:
            path = save_detail(state, self.run_dir)
        except OSError as error:
            reason = f"{error.filename or self.run_dir}: {error.strerror or error}"
            yield SaveFailed(state.nimg, state.iteration, reason)
            return
        self.saved_mark = (state.nimg, len(state.journal))
        yield Saved(state.nimg, state.iteration, str(path))


def draw_sheet(state: DetailState, small: np.ndarray, large: np.ndarray) -> Grid:
    """Rows of (enlarged by Lanczos, with detail, the large picture itself)."""
    simple = [resize(picture, DETAIL_SCALE * len(picture)) for picture in small]
    cells = [cell for row in zip(simple, add_detail(state.G_ema, small), large) for cell in row]
    return Grid(state.nimg, state.iteration, make_grid(np.stack(cells), 3), len(large[0]))

"""What a training leaves in its folder while it runs: states when they are due, the best of them, logs.

A log has one JSON object a line, each with the image count "nimg" that it belongs to.
"""

import json
import math
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

from provenance import write_bytes
from sgan.config import STATE_PATTERN
from sgan.events import Saved, SaveFailed, Step
from sgan.training.meter import CHECK_INTERVAL
from sgan.training.state import TrainState, save_state, write_state
from sgan.weights.files import BEST_NAME, CheckpointError, nimg_of, read_header

JOURNAL = "hparams.jsonl"
LOGS = ("stats.jsonl", JOURNAL, "metrics.jsonl")  # of a run folder
RETRY_INTERVAL = 100  # iterations until a save that failed is tried again


class Keeper:
    """Keeps `state` in run_dir (None: nowhere), every save_nimg images or save_minutes (0: never by time).

    held: (nimg, changes) of the last save; failing: why the disk refused it, "" when it did not; a save that failed is
    owed, and tried again at iteration retry_at.
    """

    def __init__(self, state: TrainState, run_dir: str | Path | None, save_nimg: int, save_minutes: float):
        self.state, self.run_dir = state, Path(run_dir) if run_dir else None
        self.save_nimg, self.save_seconds = save_nimg, save_minutes * 60 or math.inf
        self.held, self.failing, self.owed, self.retry_at, self.saved_when = None, "", False, 0, time.monotonic()
        if self.run_dir is not None:
            self.run_dir.mkdir(parents=True, exist_ok=True)

    def append(self, name: str, row: Mapping[str, Any]) -> None:
        """Adds a row to a log; a full disk costs the row, not the training."""
        if self.run_dir is not None:
            with suppress(OSError):
                append_row(self.run_dir / name, row)

    def is_due(self, event: Step) -> bool:
        """Whether a save is, after this step."""
        due = self.owed or passes(event, self.save_nimg) or time.monotonic() - self.saved_when > self.save_seconds
        return due and self.state.iteration >= self.retry_at

    def save(self) -> Iterator[Saved | SaveFailed]:
        """Saves what the last save does not hold yet. A disk that refuses is told of once."""
        state, now = self.state, (self.state.nimg, len(self.state.journal))
        if self.run_dir is None or self.held == now:
            return
        if not state.is_finite():  # the losses will say so at the next look; what is saved already must outlive that
            self.owed, self.retry_at = True, state.iteration + CHECK_INTERVAL
            yield SaveFailed(state.nimg, state.iteration, "the networks hold numbers that are not finite")
            return
        try:
            path = save_state(state, self.run_dir)
        except OSError as error:
            self.owed, self.retry_at, told = True, state.iteration + RETRY_INTERVAL, self.failing
            self.failing = said(error)
            if not told:
                yield SaveFailed(state.nimg, state.iteration, self.failing)
            return
        self.held, self.failing, self.owed, self.saved_when = now, "", False, time.monotonic()
        yield Saved(state.nimg, state.iteration, str(path))

    def keep_best(self, values: Mapping[str, float]) -> tuple[str, str]:
        """(where the state was kept, if the verdict is the best so far; why it could not be), each "" if not."""
        if self.run_dir is None or not is_better(values, best_quality(self.run_dir)):
            return "", ""
        try:
            write_state(self.state, self.run_dir / BEST_NAME, quality=values)
        except OSError as error:
            return "", said(error)
        return str(self.run_dir / BEST_NAME), ""

    def take_back(self) -> None:
        """Forgets what lies after the state, which has gone back."""
        self.held = None
        if self.run_dir is not None:
            for path in self.run_dir.glob(STATE_PATTERN):
                if nimg_of(path) > self.state.nimg:
                    path.unlink(missing_ok=True)
            for name in LOGS:
                truncate_rows(self.run_dir / name, self.state.nimg)


def passes(event: Step, interval: int) -> bool:
    """Whether this step led past a multiple of so many images."""
    return event.nimg // interval > (event.nimg - event.batch_size) // interval


def said(error: OSError) -> str:
    """What a disk has refused, in a phrase."""
    return f"{error.filename}: {error.strerror}" if error.filename else str(error)


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


def append_row(path: Path, row: Mapping[str, Any]) -> None:
    """Adds a row at the end."""
    with open(path, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


def write_journal(run_dir: Path, journal: Sequence[Mapping[str, Any]]) -> None:
    """Makes hparams.jsonl what the state says: a flag may have changed a setting, a kill have undone a change."""
    path = run_dir / JOURNAL
    if journal or path.exists():
        write_bytes(path, "".join(json.dumps(row) + "\n" for row in journal).encode())


def read_rows(path: Path, until_nimg: int | None = None) -> list[dict]:
    """Rows of a .jsonl log up to an image count; a half-written last line is left out."""
    rows = []
    if path.exists():
        for line in path.read_text(encoding="utf-8").splitlines():
            try:
                row = json.loads(line)
            except json.JSONDecodeError:
                break
            if until_nimg is None or row["nimg"] <= until_nimg:
                rows.append(row)
    return rows


def truncate_rows(path: Path, until_nimg: int) -> None:
    """Drops the rows after an image count, which the run will write again."""
    if path.exists():
        kept = "".join(json.dumps(row) + "\n" for row in read_rows(path, until_nimg))
        write_bytes(path, kept.encode())

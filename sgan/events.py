"""What a training tells (events) and what it can be told while it runs (Control)."""

import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sgan.config import HParams


@dataclass(frozen=True)
class Event:
    """Base of all events; nimg real images and `iteration` steps lie behind it."""

    nimg: int
    iteration: int


@dataclass(frozen=True)
class Opened(Event):
    """A run is about to begin, or to go on: its live values, the changes made to them so far ({"nimg", "patch"}), what
    there is to tell, and how many pictures there are and how many of the folder's files are unreadable."""

    hparams: HParams
    journal: Sequence[Mapping[str, Any]]
    notes: Sequence[str]
    n_images: int
    n_bad: int


@dataclass(frozen=True)
class Step(Event):
    """One iteration is done. Nothing was read back from the device for it."""

    resolution: int
    alpha: float
    batch_size: int


@dataclass(frozen=True)
class Stats(Event):
    """Means since the last Stats: loss_d, loss_g, r1, real_sign (mean sign of D on real images), fake_sign; and
    learning_rate, r1_gamma, resolution, alpha, sec_per_kimg."""

    values: Mapping[str, float]


@dataclass(frozen=True)
class Grid(Event):
    """Samples of G_ema from fixed latents: image uint8 [H, W, 3] RGB."""

    image: np.ndarray = field(repr=False)
    resolution: int = 0


@dataclass(frozen=True)
class Changed(Event):
    """Hyper-parameters took new values."""

    patch: Mapping[str, Any]


@dataclass(frozen=True)
class Saved(Event):
    """A state was written to `path`."""

    path: str


@dataclass(frozen=True)
class SaveFailed(Event):
    """A state could not be written, for `reason`; the training goes on and tries again."""

    reason: str

    @property
    def text(self) -> str:
        """One line for people."""
        return f"the state could not be saved ({self.reason}); training goes on and tries again"


@dataclass(frozen=True)
class Measured(Event):
    """The state was judged. values: the measures by name, and "resolution"; path: where the state was kept because none
    before was better, else ""."""

    values: Mapping[str, float]
    path: str

    @property
    def text(self) -> str:
        """One line for people."""
        numbers = ", ".join(f"{name} {value:.4g}" for name, value in self.values.items() if value is not None)
        return f"{numbers}; the best so far: {self.path}" if self.path else numbers


@dataclass(frozen=True)
class NotCompiled(Event):
    """torch.compile failed, for `reason`; the training goes on with the plain networks."""

    reason: str

    @property
    def text(self) -> str:
        """One line for people."""
        return f"the networks could not be compiled ({self.reason}); training goes on without"


@dataclass(frozen=True)
class RolledBack(Event):
    """The training was about to be ruined, for `reason`: nimg and iteration are those of the good state that it went
    back to, patch the halved learning rates."""

    reason: str
    patch: Mapping[str, Any]


@dataclass(frozen=True)
class Shrunk(Event):
    """Memory was short: from now on a batch is worked through `micro_batch` images at a time, with the same result."""

    micro_batch: int

    @property
    def text(self) -> str:
        """One line for people."""
        return f"memory is short: batches are worked through {self.micro_batch} images at a time from now on"


@dataclass(frozen=True)
class Finished(Event):
    """The loop ended: reason is "done" or "stopped"."""

    reason: str


class Control:
    """Mailbox of a running training. Any thread may post; the loop empties it once per iteration.

    hparams: settings of the training's kind, whose `changed` knows names and ranges.
    """

    def __init__(self, hparams: Any = None):
        self._hparams = HParams() if hparams is None else hparams
        self._patches: deque[dict[str, Any]] = deque()
        self.stopped = False
        self._paused_at: float | None = None
        self._held = 0.0

    def set(self, **patch: Any) -> None:
        """Asks for new values from the next iteration on; ConfigError at once for a wrong name or value."""
        self._hparams.changed(patch)
        self._patches.append(patch)

    def stop(self) -> None:
        """Asks the loop to save and end at the next iteration boundary."""
        self.stopped = True

    @property
    def paused(self) -> bool:
        """Whether whoever takes the events should wait before taking the next one."""
        return self._paused_at is not None

    def pause(self) -> None:
        """Asks for a pause. It lasts until `unpause`, and its time does not count as training time."""
        if self._paused_at is None:
            self._paused_at = time.monotonic()

    def unpause(self) -> None:
        """Ends the pause."""
        if self._paused_at is not None:
            self._held += time.monotonic() - self._paused_at
            self._paused_at = None

    def take_held(self) -> float:
        """Seconds spent in pauses since the last call."""
        held, self._held = self._held, 0.0
        return held

    def drain(self) -> list[dict[str, Any]]:
        """The patches posted since the last call, oldest first."""
        patches = []
        while self._patches:
            patches.append(self._patches.popleft())
        return patches

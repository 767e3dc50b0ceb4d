"""Means of a training that stay on the device until they are read, and the alarm that the losses give."""

import math
import time
from collections.abc import Iterator

from torch import Tensor

from sgan.events import Step
from sgan.training.arithmetic import scale_values
from sgan.training.state import TrainState
from sgan.training.workers import mean_over_processes

CHECK_INTERVAL = 50  # iterations between two looks at the losses; each waits for the device once
LOSS_LIMIT = 30.0  # mean of either loss over CHECK_INTERVAL; ordinary trainings stay below 5, a collapse passes 100


class Means:
    """Sums on the device, by name; floats only when they are taken."""

    def __init__(self):
        self.sums: dict[str, list] = {}

    def add(self, **scalars: Tensor) -> None:
        """Adds one value to each named mean."""
        for name, value in scalars.items():
            entry = self.sums.setdefault(name, [0.0, 0])
            entry[0] += value.detach()
            entry[1] += 1

    def take(self) -> Iterator[tuple[str, Tensor]]:
        """(name, mean) of each since the last time; starts anew."""
        sums, self.sums = self.sums, {}
        for name, (total, count) in sums.items():
            yield name, total / count


class Alarm(Means):
    """Means of the losses; reason() says what is wrong with them, if anything."""

    def reason(self) -> str:
        """One phrase, or "" when all is well; starts anew."""
        for name, total in self.take():
            mean = float(mean_over_processes(total))  # all processes come to the same conclusion
            if not math.isfinite(mean):
                return f"{name} is {mean}"
            if mean > LOSS_LIMIT:
                return f"{name} is {mean:.1f} on average, above {LOSS_LIMIT:g}"
        return ""


class Meter(Means):
    """Means of everything that is reported; floats only in read(). last: the newest value of each."""

    def __init__(self):
        super().__init__()
        self.last: dict[str, Tensor] = {}
        self.since, self.since_nimg = time.monotonic(), None
        self.alarm = Alarm()

    def add(self, **scalars: Tensor) -> None:
        """Adds one value to each named mean; the alarm hears of the losses."""
        self.last.update(scalars)
        super().add(**scalars)
        self.alarm.add(**{name: value for name, value in scalars.items() if name.startswith("loss_")})

    def read(self, state: TrainState, event: Step, held: float = 0.0) -> dict[str, float]:
        """The means since the last call, with the settings in force; resets. held: seconds of it spent in pauses."""
        values = {name: float(mean) for name, mean in self.take()}
        now = time.monotonic()
        images = state.nimg - self.since_nimg if self.since_nimg is not None else 0
        values["kimg"] = state.nimg / 1000
        values["resolution"], values["alpha"] = event.resolution, event.alpha
        values["learning_rate"] = state.hparams.learning_rate_at(event.resolution)
        values["ada_p"] = state.ada_p
        values["r1_gamma"] = state.hparams.r1_gamma_at(event.resolution, event.batch_size)
        values |= scale_values(state)
        if images:
            values["sec_per_kimg"] = max(now - self.since - held, 0.0) * 1000 / images
        self.since, self.since_nimg = now, state.nimg
        return values

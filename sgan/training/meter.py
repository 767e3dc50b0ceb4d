"""Means of a training that stay on the device until they are read."""

import time

from torch import Tensor

from sgan.events import Step
from sgan.training.arithmetic import scale_values
from sgan.training.rescue import Alarm, Means
from sgan.training.state import TrainState


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

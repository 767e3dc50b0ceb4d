"""How long a training takes."""

import types

import pytest

from sgan.events import Control, Stats, Step
from sgan.training.loop import train
from sgan.training.state import TrainState


def test_the_time_of_a_pause_is_no_training_time(tiny_config, noise_batches, monkeypatch):
    clock = types.SimpleNamespace(now=0.0, monotonic=lambda: clock.now)
    for module in ("sgan.events", "sgan.training.meter"):
        monkeypatch.setattr(f"{module}.time", clock)
    state, control, speeds = TrainState.create(tiny_config), Control(), []
    batches = noise_batches(tiny_config)
    for event in train(state, batches, control, until_nimg=80, save_nimg=1000):
        if isinstance(event, Step):
            clock.now += 1.0
        if event.nimg in (28, 56):
            control.pause()
            clock.now += 1000.0
            control.unpause()
        if isinstance(event, Stats) and "sec_per_kimg" in event.values:
            speeds.append(event.values["sec_per_kimg"])
    assert len(speeds) == 3 and speeds == [pytest.approx(1.0 * 1000 / 4)] * 3

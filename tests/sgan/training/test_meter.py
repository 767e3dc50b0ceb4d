"""How long a training takes, and when its losses are alarming."""

import types

import pytest
import torch

from sgan.events import Control, Stats, Step
from sgan.training.loop import train
from sgan.training.meter import Alarm
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


def test_every_loss_is_averaged_over_its_own_values():
    alarm = Alarm()
    for _ in range(4):
        alarm.add(loss_d=torch.tensor(20.0))
        alarm.add()
    alarm.add(loss_g=torch.tensor(31.0))
    assert alarm.reason() == "loss_g is 31.0 on average, above 30"

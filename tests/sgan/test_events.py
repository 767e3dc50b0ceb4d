"""Facts of events and of the mailbox."""

import dataclasses

import pytest

from sgan.config import ConfigError
from sgan.events import Control, Step


def test_control_refuses_at_once():
    with pytest.raises(ConfigError, match="n_fc"):
        Control().set(n_fc=3)
    with pytest.raises(ConfigError, match="DGR"):
        Control().set(DGR=0)


def test_frozen_events_cannot_be_changed():
    with pytest.raises(dataclasses.FrozenInstanceError):
        Step(1, 1, 8, 1.0, 4).nimg = 2

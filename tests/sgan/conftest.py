"""Pictures, and a checkpoint of random weights."""

import pytest
from desk import TINY, draw_pictures

from sgan.config import TrainConfig
from sgan.training.state import TrainState
from sgan.weights.checkpoint import save_generator


@pytest.fixture(scope="session")
def tiny_config():
    """Settings of the smallest network that has coarse and middle layers."""
    return TrainConfig(**TINY | {"max_step": 2})


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, tiny_config):
    """A generator file of random weights; the w of different seeds differ."""
    path = tmp_path_factory.mktemp("checkpoint") / "generator.safetensors"
    return save_generator(TrainState.create(tiny_config).G_ema, path, {})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return draw_pictures(tmp_path_factory.mktemp("pictures"))

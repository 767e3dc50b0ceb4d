"""What tests of several folders begin with."""

import desk
import pytest
from foreign_files import nvidia_parts, small_networks, write_nvidia
from PIL import Image
from small import TINY, noise, run

from sgan.config import TrainConfig
from sgan.training.state import TrainState
from sgan.weights.checkpoint import save_generator


@pytest.fixture(scope="session")
def tiny_config():
    """Settings of the smallest network that has coarse and middle layers."""
    return TrainConfig(**desk.TINY | {"max_step": 2})


@pytest.fixture(scope="session")
def checkpoint(tmp_path_factory, tiny_config):
    """A generator file of random weights; the w of different seeds differ."""
    path = tmp_path_factory.mktemp("checkpoint") / "generator.safetensors"
    return save_generator(TrainState.create(tiny_config).G_ema, path, {})


@pytest.fixture(scope="module")
def pictures(tmp_path_factory):
    return desk.draw_pictures(tmp_path_factory.mktemp("pictures"))


@pytest.fixture(scope="session")
def faces(tmp_path_factory):
    """A folder of 6 pictures of 20 x 20, to be left as it is."""
    return desk.draw_pictures(tmp_path_factory.mktemp("pictures") / "faces", 6, 20)


@pytest.fixture
def forty_faces(tmp_path):
    """A folder of 40 smooth pictures of 16 x 16."""
    folder = tmp_path / "faces"
    folder.mkdir()
    for i, picture in enumerate(noise(40, 16, smooth=2)):
        Image.fromarray(picture).save(folder / f"{i:02d}.png")
    return folder


@pytest.fixture
def make_state():
    """A function that makes a tiny fresh state, with changes."""
    return lambda **changes: TrainState.create(TrainConfig(**{**TINY, **changes}))


@pytest.fixture
def state(make_state):
    """A tiny fresh state."""
    return make_state()


@pytest.fixture
def trained(state, noise_batches):
    """A state after three steps."""
    run(state, noise_batches(state.config), 12)
    return state


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """(path, G, D): a snapshot pickle of NVIDIA's program."""
    G, D = small_networks()
    return write_nvidia(tmp_path_factory.mktemp("snapshot") / "network.pkl", nvidia_parts(G, D)), G, D

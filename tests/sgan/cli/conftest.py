"""A finished run, and a checkpoint."""

import pytest
from processes import FLAGS, real_sgan

from sgan.config import TrainConfig
from sgan.training.state import TrainState
from sgan.weights.checkpoint import save_generator


@pytest.fixture(scope="module")
def run(faces, tmp_path_factory):
    """A finished tiny run: (its folder, what the command printed)."""
    folder = tmp_path_factory.mktemp("run") / "new" / "deep"
    done = real_sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", folder, *FLAGS, "--n_sample_total", 24,
        cache=folder / "cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    state = TrainState.create(TrainConfig(max_step=2, n_fc=2, dim_latent=8, channel_base=64, channel_max=8))
    save_generator(state.G_ema, folder / "generator.safetensors", {"nimg": 0})
    return folder

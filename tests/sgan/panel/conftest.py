"""The face panel and a training panel, without a kernel: callbacks then run at once."""

import pytest
from desk import TINY
from foreign_files import small_networks

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

from sgan.panel import ConfigForm, FacePanel, TrainPanel
from sgan.weights.checkpoint import save_generator


@pytest.fixture
def make_training(pictures, tmp_path):
    """A function that makes a TrainPanel with tiny settings; values override them."""

    def make(folder=tmp_path, **values):
        settings = TINY | dict(image_folder_path=str(pictures), save_folder_path=str(folder), device="cpu") | values
        return TrainPanel(ConfigForm("cpu", **settings).config)

    return make


@pytest.fixture(scope="module", autouse=True)
def cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture
def faces(checkpoint, tmp_path):
    return FacePanel(str(checkpoint), tmp_path, seed=3)


@pytest.fixture(scope="module")
def classes(tmp_path_factory):
    """A generator file of a network with three classes, whose faces differ."""
    G, _ = small_networks(c_dim=3)
    return save_generator(G, tmp_path_factory.mktemp("classes") / "generator.safetensors", {})

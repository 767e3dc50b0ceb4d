"""With PyTorch or without, the same faces come from the same files."""

from pathlib import Path

import numpy as np
import pytest
import torch
from desk import TINY
from foreign_files import nvidia_parts, randomize, small_networks, write_nvidia

from sgan.config import ConfigError, ModelConfig, TrainConfig
from sgan.faces import drawer as drawers
from sgan.faces.drawer import LightDrawer, TorchDrawer, open_drawer
from sgan.faces.editing import Edit, NamedEdit, apply_edits, find_directions, load_directions
from sgan.faces.sampling import draw_images, mixed_ws, seeds_to_ws
from sgan.faces.walk import walk_ws
from sgan.networks.generator import Generator
from sgan.training.state import TrainState, save_state
from sgan.weights.checkpoint import load_generator, save_generator
from sgan.weights.files import CheckpointError

SHIPPED = Path(__file__).resolve().parents[3] / "checkpoints/faces"
KINDS = {
    "stylegan2": {},
    "fir": {"resample": "fir"},
    "stylegan": {"arch": "stylegan"},
    "residual": {"g_architecture": "resnet"},
    "classes": {"c_dim": 3},
}


def write_random(folder: Path, dtype: torch.dtype = torch.float32, **values) -> Path:
    """Writes a generator of random weights whose pictures use the whole range."""
    torch.manual_seed(0)
    sizes = dict(max_step=3, n_fc=2, dim_latent=16, channel_base=128, channel_max=16)
    return save_generator(
        randomize(Generator(ModelConfig(**sizes | values))), folder / "generator.safetensors", {}, dtype
    )


@pytest.fixture(scope="module", params=["shipped", *KINDS])
def pair(request, tmp_path_factory):
    """(the file, drawn by numpy, drawn by PyTorch)."""
    path = SHIPPED
    if request.param != "shipped":
        path = write_random(tmp_path_factory.mktemp("drawer"), **KINDS[request.param])
    return path, open_drawer(path), TorchDrawer(load_generator(path))


def assert_same_pictures(light, heavy, ws, other_ws, **how):
    """At least 999 of 1000 values within one level."""
    ours, theirs = (np.stack(list(draw_images(G, w, **how))).astype(int) for G, w in ((light, ws), (heavy, other_ws)))
    assert ours.shape == theirs.shape and ours.std() > 5
    assert (np.abs(ours - theirs) <= 1).mean() >= 0.999


def test_the_light_one_is_taken_and_says_the_same_of_itself(pair):
    _, light, heavy = pair
    assert isinstance(light, LightDrawer)
    for name in ("config", "meta", "checkpoint_hash", "trained_step", "notes", "label"):
        assert getattr(light, name) == getattr(heavy, name)
    assert np.array_equal(light.w_avg, heavy.w_avg)


@pytest.mark.parametrize("psi", [1.0, 0.7, -0.5])
def test_seeds_and_truncation(pair, psi):
    _, light, heavy = pair
    assert_same_pictures(light, heavy, *(seeds_to_ws(G, range(4), psi) for G in (light, heavy)))


@pytest.mark.parametrize("mode", ["none", "random"])
def test_noise(pair, mode):
    _, light, heavy = pair
    both = [seeds_to_ws(G, [1, 2], 0.7) for G in (light, heavy)]
    assert_same_pictures(light, heavy, *both, noise_mode=mode, noise_seeds=[3, 2**32 - 1])


def test_mixing_and_walks(pair):
    _, light, heavy = pair
    mixed = [mixed_ws(G, [1, 2], [3], [1, 2], 0.7)[:, 0] for G in (light, heavy)]
    assert_same_pictures(light, heavy, *mixed)
    assert_same_pictures(light, heavy, *(walk_ws(G, [1, 2], 2, 0.7) for G in (light, heavy)))


def test_editing(pair):
    path, light, heavy = pair
    edits = [Edit("samples", "coarse", 0, 1.5), Edit("weights", "middle", 1, -1.0)]
    edits += [NamedEdit(direction.name, 1.0) for direction in load_directions(path, light)[:2]]
    for kind in ("samples", "weights"):
        ours, theirs = (find_directions(G, kind, "coarse", 3) for G in (light, heavy))
        assert np.allclose(ours.deviations, theirs.deviations, rtol=1e-3)
    moved = [apply_edits(G, seeds_to_ws(G, [5], 0.7), edits, named=load_directions(path, G)) for G in (light, heavy)]
    assert_same_pictures(light, heavy, *moved)


def test_a_class_is_drawn(tmp_path):
    path = write_random(tmp_path, c_dim=3)
    light, heavy = open_drawer(path), TorchDrawer(load_generator(path))
    pictures = []
    for label in range(3):
        light.label = heavy.label = label
        assert_same_pictures(light, heavy, seeds_to_ws(light, [1]), seeds_to_ws(heavy, [1]))
        pictures.append(next(draw_images(light, seeds_to_ws(light, [1]))))
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[1], pictures[2])


def test_a_growing_state_is_drawn_at_its_last_whole_layer(tmp_path):
    config = TrainConfig(**TINY | {"max_step": 2, "step": 0, "n_sample": 10})
    state = TrainState.create(config)
    state.nimg = 25  # half of the last layer has faded in
    path = save_state(state, tmp_path)
    light, heavy = open_drawer(tmp_path), TorchDrawer(load_generator(tmp_path))
    assert light.trained_step == heavy.trained_step == 1 and light.meta == heavy.meta
    ws = seeds_to_ws(light, [1])
    ours, theirs = (next(draw_images(G, ws, step=1)).astype(int) for G in (light, heavy))
    assert ours.shape == (8, 8, 3) and np.abs(ours - theirs).max() <= 1
    save_generator(state.G_ema, tmp_path / "generator.safetensors", {"nimg": 10})
    assert (
        open_drawer(tmp_path).notes
        == load_generator(tmp_path).notes
        == [f"{path} is drawn, which is newer than generator.safetensors beside it"]
    )


def test_half_precision_is_read_with_or_without_numpy_knowing_it(tmp_path):
    half = open_drawer(write_random(tmp_path / "half", torch.float16))
    brain = open_drawer(write_random(tmp_path / "brain", torch.bfloat16))
    assert isinstance(half, LightDrawer) and isinstance(brain, TorchDrawer)


def test_files_of_other_programs_are_drawn_by_pytorch(tmp_path):
    G, D = small_networks()
    path = write_nvidia(tmp_path / "a.pkl", nvidia_parts(G, D))
    drawer = open_drawer(path)
    assert isinstance(drawer, TorchDrawer) and drawer.notes
    (picture,) = draw_images(drawer, seeds_to_ws(drawer, [1]))
    assert np.array_equal(picture, next(draw_images(drawer.G, seeds_to_ws(drawer.G, [1]))))


def test_large_pictures_are_drawn_by_a_gpu_where_there_is_one(tmp_path, monkeypatch):
    path = write_random(tmp_path, max_step=3)
    monkeypatch.setattr(drawers, "LARGE", 32)
    monkeypatch.setattr(drawers, "_has_gpu", lambda: True)
    assert isinstance(open_drawer(path), TorchDrawer) and isinstance(open_drawer(path, "cpu"), LightDrawer)
    monkeypatch.setattr(drawers, "_has_gpu", lambda: False)
    assert isinstance(open_drawer(path), LightDrawer)
    with pytest.raises(ConfigError, match="device 'abacus' is unknown"):
        open_drawer(path, "abacus")


def damage(data: bytes, kind: str) -> bytes:
    if kind == "cut":
        return data[: len(data) // 2]
    if kind == "changed":
        return data[:-3] + bytes([data[-3] ^ 255]) + data[-2:]
    return data[:2000]


@pytest.mark.parametrize("kind", ["cut", "changed", "header"])
def test_damaged_files_are_named(tmp_path, kind):
    path = tmp_path / "generator.safetensors"
    path.write_bytes(damage((SHIPPED / path.name).read_bytes(), kind))
    with pytest.raises(CheckpointError, match=path.name):
        open_drawer(path)


def test_a_network_that_is_not_as_its_settings_say_is_refused(tmp_path):
    path = write_random(tmp_path)
    G = Generator(ModelConfig(max_step=2, n_fc=2, dim_latent=16, channel_base=128, channel_max=16))
    G.config = ModelConfig(max_step=3, n_fc=2, dim_latent=16, channel_base=128, channel_max=16)
    save_generator(G, path, {})
    with pytest.raises(CheckpointError, match="does not fit the network that its own settings describe"):
        open_drawer(path)


def test_a_picture_does_not_depend_on_its_neighbours():
    light = open_drawer(SHIPPED)
    together = list(draw_images(light, seeds_to_ws(light, range(4), 0.7)))
    (alone,) = draw_images(light, seeds_to_ws(light, [2], 0.7))
    assert np.array_equal(alone, together[2])

"""Facts of checkpoint files: nothing half-written, everything named."""

import os

import pytest
import torch
from safetensors.torch import save_file
from small import TINY

from provenance import write_bytes
from sgan.config import TrainConfig
from sgan.training.state import TrainState, load_state, save_state
from sgan.weights import checkpoint
from sgan.weights.checkpoint import find_checkpoint, load_generator, save_generator
from sgan.weights.formats import CheckpointError


def test_a_failed_write_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch):
    path = tmp_path / "file.bin"
    write_bytes(path, b"old")

    def fail(*args):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError):
        write_bytes(path, b"new")
    assert path.read_bytes() == b"old" and list(tmp_path.iterdir()) == [path]


def test_damaged_and_foreign_files_are_named(trained, tmp_path):
    path = save_state(trained, tmp_path)
    whole = path.read_bytes()
    cases = {
        "cut.safetensors": whole[: len(whole) // 2],
        "empty.safetensors": b"",
        "text.safetensors": b"hello world, this is no checkpoint",
        "flipped.safetensors": whole[:-100] + bytes([whole[-100] ^ 255]) + whole[-99:],
    }
    for name, data in cases.items():
        (tmp_path / name).write_bytes(data)
        with pytest.raises(CheckpointError, match=name):
            load_state(tmp_path / name)
        with pytest.raises(CheckpointError, match=name):
            load_generator(tmp_path / name)
    save_file({"a": torch.zeros(2)}, tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match=r"other\.safetensors"):
        load_generator(tmp_path / "other.safetensors")
    with pytest.raises(CheckpointError, match="does not exist"):
        load_generator(tmp_path / "nowhere")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CheckpointError, match="holds no generator"):
        load_generator(tmp_path / "empty")


def test_a_newer_format_is_refused(trained, tmp_path, monkeypatch):
    monkeypatch.setattr(checkpoint, "FORMAT_VERSION", 99)
    path = save_state(trained, tmp_path)
    monkeypatch.undo()
    with pytest.raises(CheckpointError, match="99; update"):
        load_state(path)


def test_generator_file_gives_the_moving_average(trained, tmp_path):
    path = save_generator(trained.G_ema, tmp_path / "generator.safetensors", {"nimg": 12})
    G, from_state = load_generator(tmp_path), load_generator(save_state(trained, tmp_path / "run"))
    z = torch.randn(2, 8)
    assert torch.equal(G(z), trained.G_ema(z)) and torch.equal(from_state(z), G(z))
    assert G.meta["nimg"] == 12 and len(G.checkpoint_hash) == 64 and path.name == "generator.safetensors"
    with pytest.raises(CheckpointError, match="generator; a state is needed"):
        load_state(path)


def test_generator_file_can_be_cut_at_a_lower_step_and_halved(tmp_path):
    state = TrainState.create(TrainConfig(**{**TINY, "max_step": 3}))
    save_generator(state.G_ema, tmp_path / "small.safetensors", {}, dtype=torch.bfloat16, step=1)
    G = load_generator(tmp_path / "small.safetensors")
    z = torch.randn(2, 8)
    expected = state.G_ema(z, step=1)
    assert G(z).shape == (2, 3, 8, 8) and (G(z) - expected).abs().max() < 0.05


def test_a_folder_draws_what_was_trained_last(trained, tmp_path):
    save_generator(trained.G_ema, tmp_path / "generator.safetensors", {"nimg": trained.nimg})
    path = save_state(trained, tmp_path)
    assert find_checkpoint(tmp_path).name == "generator.safetensors"
    trained.nimg += 4
    path = save_state(trained, tmp_path)
    trained.nimg -= 4
    assert find_checkpoint(tmp_path) == path
    assert load_generator(tmp_path).notes == [f"{path} is drawn, which is newer than generator.safetensors beside it"]

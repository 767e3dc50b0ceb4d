"""Facts of checkpoints: nothing lost, nothing half-written, everything named."""

import os

import pytest
import torch
from safetensors.torch import save_file

from provenance import write_bytes
from sgan.config import TrainConfig
from sgan.events import Control
from sgan.training.loop import train
from sgan.training.state import TrainState, load_state, save_state, transfer_weights
from sgan.weights import checkpoint
from sgan.weights.checkpoint import find_checkpoint, load_generator, save_generator
from sgan.weights.formats import CheckpointError

TINY = dict(max_step=1, step=1, n_fc=2, dim_latent=8, channel_base=64, channel_max=8, mini_batch_size=4)


@pytest.fixture
def trained(noise_batches):
    state = TrainState.create(TrainConfig(**TINY))
    list(train(state, noise_batches(state.config), Control(), until_nimg=12, save_nimg=1000))
    return state


def weights(state):
    return {f"{p}.{n}": t for p, network in state.networks().items() for n, t in network.state_dict().items()}


def test_state_round_trip_is_exact(trained, tmp_path):
    loaded = load_state(save_state(trained, tmp_path))
    before, after = weights(trained), weights(loaded)
    assert before.keys() == after.keys() and all(torch.equal(before[name], after[name]) for name in before)
    assert (loaded.nimg, loaded.iteration, loaded.hparams, loaded.config) == (12, 3, trained.hparams, trained.config)
    for ours, theirs in ((trained.G, loaded.G), (trained.D, loaded.D)):
        optimisers = (trained.G_opt, loaded.G_opt) if ours is trained.G else (trained.D_opt, loaded.D_opt)
        for p, q in zip(ours.parameters(), theirs.parameters()):
            a, b = optimisers[0].state.get(p, {}), optimisers[1].state.get(q, {})
            assert a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)


def test_the_newest_two_states_are_kept(trained, tmp_path):
    for nimg in (100, 200, 300):
        trained.nimg = nimg
        save_state(trained, tmp_path)
    assert [path.name for path in sorted(tmp_path.iterdir())] == [
        "state-000000200.safetensors",
        "state-000000300.safetensors",
    ]
    assert find_checkpoint(tmp_path).name == "state-000000300.safetensors"


def test_milestones_stay(tmp_path):
    state = TrainState.create(TrainConfig(**TINY, milestone_every=1000))
    for nimg in (400, 800, 1200, 1600, 2000, 2400, 2800):
        state.nimg = nimg
        save_state(state, tmp_path)
    assert [int(path.stem.split("-")[1]) for path in sorted(tmp_path.iterdir())] == [1200, 2000, 2400, 2800]


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


def test_weights_transfer_to_a_larger_network(trained, tmp_path):
    path = save_state(trained, tmp_path)
    larger = TrainState.create(TrainConfig(**{**TINY, "max_step": 2}))
    transfer_weights(larger, path)
    ws = larger.G_ema.mapping(torch.ones(1, 8))
    small = trained.G_ema.mapping(torch.ones(1, 8))
    assert torch.equal(ws[:, :4], small)
    assert torch.equal(larger.G_ema.synthesis(ws, step=1), trained.G_ema.synthesis(small, step=1))


def test_equal_seeds_give_equal_networks():
    a, b, c = (TrainState.create(TrainConfig(**TINY, seed=seed)) for seed in (1, 1, 2))
    same = [torch.equal(x, y) for x, y in zip(a.G.parameters(), b.G.parameters())]
    assert all(same)
    assert not torch.equal(a.G.mapping.fc0.weight, c.G.mapping.fc0.weight)


def test_weights_of_another_width_are_refused(trained, tmp_path):
    path = save_state(trained, tmp_path)
    wider = TrainState.create(TrainConfig(**{**TINY, "channel_max": 16, "channel_base": 128}))
    with pytest.raises(CheckpointError, match=r"does not fit these settings: G\.\S+ is \[.*\] there and \[.*\] here"):
        transfer_weights(wider, path)


def test_new_layers_are_told(trained, tmp_path):
    path = save_state(trained, tmp_path)
    larger = TrainState.create(TrainConfig(**{**TINY, "max_step": 2}))
    transfer_weights(larger, path)
    assert [note for note in larger.notes if note.startswith("G: ") and note.endswith("tensors start from scratch")]


def test_a_folder_draws_what_was_trained_last(trained, tmp_path):
    save_generator(trained.G_ema, tmp_path / "generator.safetensors", {"nimg": trained.nimg})
    path = save_state(trained, tmp_path)
    assert find_checkpoint(tmp_path).name == "generator.safetensors"
    trained.nimg += 4
    path = save_state(trained, tmp_path)
    trained.nimg -= 4
    assert find_checkpoint(tmp_path) == path
    assert load_generator(tmp_path).notes == [f"{path} is drawn, which is newer than generator.safetensors beside it"]

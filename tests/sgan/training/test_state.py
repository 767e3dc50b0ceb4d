"""Facts of checkpoints: nothing lost, nothing half-written, everything named."""

import copy

import pytest
import torch
from small import TINY, weights

from sgan.config import TrainConfig
from sgan.training.state import TrainState, load_state, save_state, transfer_weights
from sgan.weights.checkpoint import find_checkpoint
from sgan.weights.formats import CheckpointError


def test_states_are_independent(make_state):
    state = make_state()
    assert copy.deepcopy(state.hparams) == state.hparams
    assert not any(p.requires_grad for p in state.G_ema.parameters())


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

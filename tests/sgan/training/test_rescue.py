"""A training cannot be ruined: alarm and way back, short memory, full disk, sudden death."""

import itertools
import json

import pytest
import torch
from small import EIGHTS, equal, of, real_pictures, weights

from sgan.config import TrainConfig
from sgan.events import Control, RolledBack, Stats, Step
from sgan.training.loop import train
from sgan.training.rescue import Lifeline, restore, snapshot
from sgan.training.state import TrainState


def test_snapshot_and_restore_are_exact(noise_batches):
    state = TrainState.create(TrainConfig(**EIGHTS))
    list(train(state, noise_batches(state.config), Control(), until_nimg=24, save_nimg=10**9))
    saved, before = snapshot(state), weights(state)
    list(train(state, noise_batches(state.config, 24), Control(), until_nimg=80, save_nimg=10**9))
    after = weights(state)
    restore(state, saved)
    assert equal(weights(state), before) and state.nimg == 24
    list(train(state, noise_batches(state.config, 24), Control(), until_nimg=80, save_nimg=10**9))
    assert equal(weights(state), after)


def test_a_copy_is_good_only_after_a_later_look(monkeypatch):
    state = TrainState.create(TrainConfig(**EIGHTS))
    line = Lifeline(state)
    state.iteration = state.nimg = 1000
    line.confirm(state)
    assert line.latest["nimg"] == 1000 and line.good["nimg"] == 0
    state.iteration = state.nimg = 1050
    line.confirm(state)
    assert line.good["nimg"] == 1000


@pytest.mark.parametrize("ruin", ["rate", "nan"])
def test_a_ruined_training_goes_back_with_half_the_rate(ruin, tmp_path):
    state, control, seen, ruined_at = TrainState.create(TrainConfig(**EIGHTS)), Control(), [], 260
    events = train(
        state, real_pictures(state.config), control, until_nimg=8 * 420, save_nimg=800, run_dir=tmp_path / "run"
    )
    for event in events:
        seen.append(event)
        if isinstance(event, Step) and event.iteration == ruined_at and not of(seen, RolledBack):
            if ruin == "rate":
                control.set(learning_rate=0.2)  # times 100
            else:
                with torch.no_grad():
                    state.G.mapping.fc0.weight[0, 0] = float("nan")
    back = of(seen, RolledBack)
    assert back, "not noticed"
    noticed = max(e.iteration for e in itertools.takewhile(lambda e: e is not back[0], seen))
    assert noticed - ruined_at <= 200
    assert back[0].iteration < ruined_at
    rate = 0.1 if ruin == "rate" else 0.001
    assert back[0].patch["learning_rate"][8] == pytest.approx(rate)
    assert state.nimg == 8 * 420 and all(torch.isfinite(t).all() for t in weights(state).values())
    last = of(seen, Stats)[-1].values
    assert last["loss_d"] < 30 and last["loss_g"] < 30
    rows = [json.loads(line)["nimg"] for line in (tmp_path / "run" / "stats.jsonl").read_text().splitlines()]
    assert rows == sorted(set(rows))
    journal = [json.loads(line) for line in (tmp_path / "run" / "hparams.jsonl").read_text().splitlines()]
    assert journal == json.loads(json.dumps(state.journal))


@pytest.mark.parametrize("seed", range(5))
def test_no_false_alarm(seed):
    state = TrainState.create(TrainConfig(**EIGHTS, seed=seed))
    events = list(train(state, real_pictures(state.config), Control(), until_nimg=8 * 150, save_nimg=10**9))
    assert not of(events, RolledBack)


def test_without_a_way_back_a_ruined_training_says_so(noise_batches):
    state = TrainState.create(TrainConfig(**EIGHTS))
    with torch.no_grad():
        state.D.b8.conv0.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="ruined after 400 images"):
        list(train(state, noise_batches(state.config), Control(), until_nimg=4000, save_nimg=10**9))


def test_what_going_back_does_not_mend_is_given_up():
    state = TrainState.create(TrainConfig(**EIGHTS))
    with torch.no_grad():
        state.D.b8.conv0.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="going back 3 times did not help; start from an older state"):
        list(train(state, real_pictures(state.config), Control(), until_nimg=8000, save_nimg=10**9))

"""Facts of what a training keeps: when it saves, the best state, a disk that refuses."""

import itertools
import json

import pytest
import torch
from small import EIGHTS, TINY, of, run

from sgan.config import TrainConfig
from sgan.events import Control, Measured, Saved, SaveFailed, Stats, Step
from sgan.training import keeper, loop
from sgan.training.keeper import best_quality, is_better
from sgan.training.loop import train
from sgan.training.state import TrainState, load_state, save_state
from sgan.weights.checkpoint import BEST_NAME, load_generator


def judged(state, batches, until, scores, **kwargs):
    """Trains with a judge that gives these scores one after the other."""
    values = iter(scores)
    judge = lambda state: {"swd": next(values), "coverage": 0.5, "resolution": 8}  # noqa: E731
    events = train(state, batches, Control(), until_nimg=until, save_nimg=10**9, judge=judge, metrics_nimg=8, **kwargs)
    return list(events)


def test_the_best_state_is_kept(state, noise_batches, tmp_path):
    events = judged(state, noise_batches(state.config), 32, [5.0, 3.0, 4.0, None], run_dir=tmp_path)
    told = of(events, Measured)
    assert [event.nimg for event in told] == [8, 16, 24, 32]
    assert [bool(event.path) for event in told] == [True, True, False, False]
    assert told[1].text == f"swd 3, coverage 0.5, resolution 8; the best so far: {tmp_path / BEST_NAME}"
    assert load_state(tmp_path / BEST_NAME).nimg == 16 and best_quality(tmp_path)["swd"] == 3.0
    assert load_generator(tmp_path / BEST_NAME).trained_step == 1
    rows = [json.loads(line) for line in (tmp_path / "metrics.jsonl").read_text().splitlines()]
    assert [(row["nimg"], row["swd"]) for row in rows] == [(8, 5.0), (16, 3.0), (24, 4.0), (32, None)]
    assert load_state(tmp_path).nimg == 32  # the newest state is still what a run goes on from


def test_a_run_that_goes_on_remembers_the_best(state, noise_batches, tmp_path):
    judged(state, noise_batches(state.config), 16, [5.0, 3.0], run_dir=tmp_path)
    again = load_state(tmp_path)
    events = judged(again, noise_batches(again.config, 16), 32, [4.0, 2.0], run_dir=tmp_path)
    assert [(event.nimg, bool(event.path)) for event in of(events, Measured)] == [(24, False), (32, True)]


def test_measuring_changes_nothing(noise_batches, tmp_path):
    weights = []
    for scores in ([1.0] * 4, None):
        state = TrainState.create(TrainConfig(**TINY))
        if scores:
            judged(state, noise_batches(state.config), 32, scores, run_dir=tmp_path)
        else:
            list(train(state, noise_batches(state.config), Control(), until_nimg=32, save_nimg=10**9))
        weights.append(state.G.mapping.fc0.weight)
    assert (weights[0] == weights[1]).all()


def test_the_time_of_measuring_is_not_training_time(state, noise_batches, monkeypatch):
    now = [0.0]

    def batches():
        for batch in noise_batches(state.config):
            now[0] += 4.0
            yield batch

    def judge(state):
        now[0] += 1000.0
        return {"swd": 1.0, "resolution": 8}

    monkeypatch.setattr(loop.time, "monotonic", lambda: now[0])
    events = train(state, batches(), Control(), until_nimg=24, save_nimg=10**9, judge=judge, metrics_nimg=8)
    assert [event.values["sec_per_kimg"] for event in of(list(events), Stats)[1:]] == [1000.0, 1000.0]


def test_a_full_disk_costs_the_best_state_alone(state, noise_batches, tmp_path, monkeypatch):
    def refuse(*args, **kwargs):
        raise OSError(28, "No space left on device", "best")

    monkeypatch.setattr(keeper, "write_state", refuse)
    events = judged(state, noise_batches(state.config), 8, [1.0], run_dir=tmp_path)
    assert of(events, Measured)[0].path == "" and "best: No space left" in of(events, SaveFailed)[0].reason


@pytest.mark.parametrize(
    ("values", "than", "better"),
    [
        ({"swd": 1.0, "resolution": 8}, {}, True),
        ({"swd": 1.0, "resolution": 8}, {"swd": 2.0, "resolution": 8}, True),
        ({"swd": 2.0, "resolution": 8}, {"swd": 2.0, "resolution": 8}, False),
        ({"swd": 9.0, "resolution": 16}, {"swd": 2.0, "resolution": 8}, True),
        ({"swd": 1.0, "resolution": 8}, {"swd": 2.0, "resolution": 16}, False),
        ({"swd": None, "resolution": 8}, {}, False),
    ],
)
def test_better_is_nearer_at_the_same_size_or_larger(values, than, better):
    assert is_better(values, than) is better


def test_a_full_disk_is_told_once_and_tried_again(noise_batches, monkeypatch, tmp_path):
    state = TrainState.create(TrainConfig(**EIGHTS))
    save_state(state, tmp_path)
    broken = {"disk": True}

    def save(*args):
        if broken["disk"]:
            raise OSError(28, "No space left on device", "state")
        return save_state(*args)

    monkeypatch.setattr(keeper, "save_state", save)
    monkeypatch.setattr(keeper, "RETRY_INTERVAL", 2)
    seen = []
    for event in train(state, noise_batches(state.config), Control(), until_nimg=96, save_nimg=16, run_dir=tmp_path):
        seen.append(event)
        if isinstance(event, Step) and event.iteration == 9:
            assert load_state(tmp_path).nimg == 0  # the older state is still good
            broken["disk"] = False
    assert [event.reason for event in of(seen, SaveFailed)] == ["state: No space left on device"]
    assert of(seen, Saved)[-1].nimg == 96 and load_state(tmp_path).nimg == 96


def test_a_ruined_state_is_not_saved_over_good_ones(noise_batches, tmp_path):
    state = TrainState.create(TrainConfig(**EIGHTS))
    path = save_state(state, tmp_path)
    with torch.no_grad():
        state.D.b8.conv0.weight[0, 0, 0, 0] = float("nan")
    events = list(
        train(state, noise_batches(state.config), Control(), until_nimg=16, save_nimg=8, run_dir=tmp_path)
    )  # fmt: skip
    assert {event.reason for event in of(events, SaveFailed)} == {"the networks hold numbers that are not finite"}
    assert list(tmp_path.glob("state-*")) == [path]


def test_save_interval_is_in_images(make_state, noise_batches, tmp_path):
    state = make_state()
    events = run(state, noise_batches(state.config), until=24, save_nimg=10, run_dir=tmp_path)
    assert [event.nimg for event in of(events, Saved)] == [12, 20, 24]


def test_saving_by_the_clock(make_state, noise_batches, tmp_path, monkeypatch):
    now = itertools.count(0, 30)
    monkeypatch.setattr(loop.time, "monotonic", lambda: next(now))
    state = make_state()
    events = run(state, noise_batches(state.config), until=40, save_minutes=2, run_dir=tmp_path)
    assert 2 <= len(of(events, Saved)) <= 9

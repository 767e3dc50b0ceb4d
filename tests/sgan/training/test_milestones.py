"""Facts of a training that measures its own quality: when, what is kept, and what the logs say."""

import json

import numpy as np
import pytest
from PIL import Image

from sgan.config import ConfigError, TrainConfig
from sgan.data.dataset import open_dataset
from sgan.events import Control, Measured, SaveFailed, Stats
from sgan.judging import checkpoint as judging
from sgan.judging.checkpoint import state_judge
from sgan.launch import run as launch
from sgan.launch.run import run_training
from sgan.launch.record import Recorder
from sgan.training import keeper, loop
from sgan.training.keeper import best_quality, is_better
from sgan.training.loop import train
from sgan.training.state import TrainState, load_state
from sgan.weights.checkpoint import BEST_NAME, load_generator

TINY = dict(max_step=1, step=1, n_fc=1, dim_latent=8, channel_base=64, channel_max=8, mini_batch_size=4, n_show_loss=2)


def judged(state, batches, until, scores, **kwargs):
    """Trains with a judge that gives these scores one after the other."""
    values = iter(scores)
    judge = lambda state: {"swd": next(values), "coverage": 0.5, "resolution": 8}  # noqa: E731
    events = train(state, batches, Control(), until_nimg=until, save_nimg=10**9, judge=judge, metrics_nimg=8, **kwargs)
    return list(events)


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


@pytest.fixture
def state():
    return TrainState.create(TrainConfig(**TINY))


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


def test_what_pictures_are_too_small_for_is_left_out_of_the_curves(state, tmp_path):
    record = Recorder(tmp_path, state)
    record(Measured(8, 2, {"swd": None, "coverage": 0.5}, ""))
    record.board.close()
    (written,) = tmp_path.glob("tensorboard/*")
    assert b"metrics/coverage" in written.read_bytes() and b"metrics/swd" not in written.read_bytes()


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


def write_faces(folder, n):
    folder.mkdir()
    for i in range(n):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return str(folder)


def test_a_real_run_measures_and_logs(tmp_path, monkeypatch):
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    paths = dict(image_folder_path=write_faces(tmp_path / "faces", 12), save_folder_path=str(tmp_path / "run"))
    config = TrainConfig(**TINY, **paths, n_sample_total=16, metrics_every=8, metrics_images=10, device="cpu")
    events = list(run_training(config))
    first, second = of(events, Measured)
    assert (first.nimg, second.nimg) == (8, 16) and first.path
    assert {"swd", "density", "coverage", "resolution"} == first.values.keys() and first.values["swd"] > 0
    logs = b"".join(path.read_bytes() for path in (tmp_path / "run" / "tensorboard").iterdir())
    assert b"metrics/swd" in logs
    monkeypatch.setattr(launch, "train", lambda *args, **kwargs: iter(()))
    list(run_training(TrainConfig(**{**TINY, **paths, "is_continue": False})))
    assert (tmp_path / "run" / "earlier-1" / BEST_NAME).exists() and not (tmp_path / "run" / BEST_NAME).exists()


def test_too_few_pictures_are_refused_at_the_start(tmp_path, monkeypatch):
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    paths = dict(image_folder_path=write_faces(tmp_path / "faces", 3), save_folder_path=str(tmp_path / "run"))
    with pytest.raises(ConfigError, match="metrics_every needs at least 10 images to compare, and there are 3"):
        run_training(TrainConfig(**TINY, **paths, metrics_every=8, device="cpu"))
    assert not (tmp_path / "run").exists()


def test_while_a_layer_fades_in_the_one_below_is_judged(tmp_path):
    dataset = open_dataset(write_faces(tmp_path / "faces", 12), 16, tmp_path / "cache")
    state = TrainState.create(TrainConfig(**{**TINY, "max_step": 2, "n_sample": 8}))
    found = {}
    for state.nimg in (0, 12, 16):
        found[state.nimg] = state_judge(dataset, 10)(state)["resolution"]
    assert found == {0: 8, 12: 8, 16: 16}


def test_a_training_draws_no_pictures_that_its_verdict_leaves_out(tmp_path, monkeypatch):
    dataset = open_dataset(write_faces(tmp_path / "faces", 24), 8, tmp_path / "cache")
    state, samples, judge = TrainState.create(TrainConfig(**TINY)), [], judging.judge
    monkeypatch.setattr(
        judging, "judge", lambda sample, *rest, **more: samples.append(sample) or judge(sample, *rest, **more)
    )
    assert state_judge(dataset, 10)(state)["coverage"] is not None
    assert samples[0].others is None and len(samples[0].real) == len(samples[0].fake) == 10
    assert len(judging.draw_sample(state.G_ema, dataset, 10).others) == 10  # as the command `metrics` has them

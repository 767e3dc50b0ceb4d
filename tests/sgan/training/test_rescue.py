"""A training cannot be ruined: alarm and way back, short memory, full disk, sudden death."""

import itertools
import json
import os
import random
import signal
import time

import numpy as np
import pytest
import torch
from PIL import Image
from processes import start

from sgan.config import TrainConfig
from sgan.events import Control, RolledBack, Saved, SaveFailed, Shrunk, Stats, Step
from sgan.launch.resume import open_state
from sgan.training import keeper
from sgan.training.arithmetic import Arithmetic
from sgan.training.loop import train
from sgan.training.meter import Meter
from sgan.training.rescue import Alarm, Lifeline, restore, snapshot
from sgan.training.state import TrainState, load_state, save_state
from sgan.training.step import step



def weights(state):
    return {f"{p}.{n}": t.clone() for p, net in state.networks().items() for n, t in net.state_dict().items()}


def equal(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def of(events, kind):
    return [event for event in events if isinstance(event, kind)]


def real_pictures(config):
    """A function from an image count to batches of soft random pictures, which a GAN can learn."""
    rng = np.random.default_rng(0)
    colours = rng.integers(60, 200, (64, 3, 1, 1)) + rng.integers(-40, 40, (64, 3, 8, 8))

    def batches(nimg):
        for n in itertools.count(nimg, config.batch_size_at(8)):
            yield colours[np.random.default_rng(n).integers(0, 64, config.batch_size_at(8))].astype(np.uint8)

    return batches


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


def test_parts_of_a_batch_give_the_gradients_of_the_whole(noise_batches):
    """Noise has no strength yet in a fresh network, so only its strength's own gradient may differ."""
    moments = []
    for micro_batch in (0, 4):
        state = TrainState.create(TrainConfig(**EIGHTS, r1_gamma=1.0))
        state.micro_batch = micro_batch
        step(Arithmetic(state), next(noise_batches(state.config)), Meter())
        gradients = {
            f"D.{n}": state.D_opt.state[p]["exp_avg"] for n, p in state.D.named_parameters() if p in state.D_opt.state
        }
        gradients |= {
            f"G.{n}": state.G_opt.state[p]["exp_avg"] for n, p in state.G.named_parameters() if p in state.G_opt.state
        }
        moments.append({n: g for n, g in gradients.items() if "noise_strength" not in n})
    for name, whole in moments[0].items():
        assert (moments[1][name] - whole).norm() <= 0.02 * whole.norm() + 1e-8, name


def test_short_memory_halves_the_parts_and_goes_on(noise_batches, monkeypatch):
    state = TrainState.create(TrainConfig(**EIGHTS))
    forward = type(state.D).forward

    def too_much(self, img, *args, **kwargs):
        if len(img) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return forward(self, img, *args, **kwargs)

    monkeypatch.setattr(type(state.D), "forward", too_much)
    events = list(train(state, noise_batches(state.config), Control(), until_nimg=24, save_nimg=10**9))
    assert [event.micro_batch for event in of(events, Shrunk)] == [4]
    assert [event.batch_size for event in of(events, Step)] == [8, 8, 8] and state.nimg == 24


def test_memory_too_short_for_one_group_is_an_error(noise_batches, monkeypatch):
    state = TrainState.create(TrainConfig(**EIGHTS))

    def never(self, *args, **kwargs):
        raise torch.OutOfMemoryError("CUDA out of memory")

    monkeypatch.setattr(type(state.D), "forward", never)
    with pytest.raises(torch.OutOfMemoryError):
        list(train(state, noise_batches(state.config), Control(), until_nimg=24, save_nimg=10**9))


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


def losses_of(run):
    """{iteration: losses} of a run's log."""
    names = ("loss_d", "loss_g", "real_sign")
    rows = [json.loads(line) for line in (run / "stats.jsonl").read_text().splitlines()]
    return {row["iteration"]: [row.get(name) for name in names] for row in rows}


@pytest.mark.forks
def test_killed_at_twenty_moments_it_ends_as_if_it_never_was(tmp_path, monkeypatch):
    """SIGKILL at random moments, saves included (one after every second step): the losses are bit-equal."""
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    torch.set_num_threads(1)
    (tmp_path / "faces").mkdir()
    for i in range(6):
        Image.fromarray(np.random.default_rng(i).integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(
            tmp_path / "faces" / f"{i}.png"
        )
    flags = ["--step", "1", "--max_step", "1", "--n_fc", "2", "--dim_latent", "8", "--channel_base", "64"]
    flags += ["--channel_max", "8", "--mini_batch_size", "4", "--n_show_loss", "1", "--n_show_grid", "1000"]
    flags += ["--device", "cpu", "--save_every", "8", "--n_sample_total", "1600", "--image_folder_path"]
    flags += [str(tmp_path / "faces"), "--save_folder_path"]
    assert os.waitpid(start(["train", *flags, str(tmp_path / "straight")]), 0)[1] == 0
    killed, moments = tmp_path / "killed", random.Random(0)
    kills = 0
    while kills < 20:
        pid = start(["train", *flags, str(killed)])
        time.sleep(moments.uniform(0.05, 0.9))
        os.kill(pid, signal.SIGKILL)
        kills += os.waitpid(pid, 0)[1] == signal.SIGKILL or 20
    assert os.waitpid(start(["train", *flags, str(killed)]), 0)[1] == 0
    assert load_state(killed).nimg == 1600
    expected, found = losses_of(tmp_path / "straight"), losses_of(killed)
    assert found == expected and len(found) == 400
    assert equal(weights(load_state(tmp_path / "straight")), weights(load_state(killed)))
    assert not list(killed.glob(".*tmp"))


def test_every_loss_is_averaged_over_its_own_values():
    alarm = Alarm()
    for _ in range(4):
        alarm.add(loss_d=torch.tensor(20.0))
        alarm.add()
    alarm.add(loss_g=torch.tensor(31.0))
    assert alarm.reason() == "loss_g is 31.0 on average, above 30"


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


def test_a_state_that_is_not_finite_is_passed_over(tmp_path):
    state = TrainState.create(TrainConfig(**EIGHTS, save_folder_path=str(tmp_path)))
    save_state(state, tmp_path)
    with torch.no_grad():
        state.D.b8.conv0.weight[0, 0, 0, 0] = float("nan")
    state.nimg = 8
    save_state(state, tmp_path)
    opened = open_state(state.config, torch.device("cpu"))
    assert opened.nimg == 0 and "not finite; going on from the state before it" in opened.notes[0]


def test_what_going_back_does_not_mend_is_given_up():
    state = TrainState.create(TrainConfig(**EIGHTS))
    with torch.no_grad():
        state.D.b8.conv0.weight[0, 0, 0, 0] = float("nan")
    with pytest.raises(FloatingPointError, match="going back 3 times did not help; start from an older state"):
        list(train(state, real_pictures(state.config), Control(), until_nimg=8000, save_nimg=10**9))

"""A whole run: in one process and in several, killed or not."""

import dataclasses
import json
import os
import random
import signal
import time

import numpy as np
import pytest
import torch
from desk import draw_pictures
from PIL import Image
from processes import FLAGS, exit_code, sgan, start, start_workers
from small import TINY, equal, of, weights

from sgan.config import ConfigError, TrainConfig
from sgan.events import Measured, Saved
from sgan.launch import run as launch
from sgan.launch.run import check_batches, run_training
from sgan.training.state import load_state
from sgan.weights.files import BEST_NAME


@pytest.mark.forks
def test_two_processes_equal_one(faces, tmp_path):
    """The first step of two workers equals that of one process at the same total batch, within rounding."""
    common = ["--image_folder_path", faces, *FLAGS, "--n_sample_total", 8, "--mini_batch_size", 8, "--save_every", 8]
    common += ["--precision", "fp32"]  # bf16, which some processors take, rounds too much
    assert sgan("train", *common, "--save_folder_path", tmp_path / "one", cache=tmp_path / "cache").returncode == 0
    more = ["train", *common, "--save_folder_path", tmp_path / "two", "--n_gpu", 2]
    workers = start_workers(2, more, RANDOM_UNREAL_FACE_CACHE=tmp_path / "cache")
    assert [exit_code(pid) for pid in workers] == [0, 0]
    one, two = load_state(tmp_path / "one"), load_state(tmp_path / "two")
    assert two.nimg == 8 and two.config.n_gpu == 2
    for ours, theirs, optimisers in (
        (one.G, two.G, (one.G_opt, two.G_opt)),
        (one.D, two.D, (one.D_opt, two.D_opt)),
    ):
        for (name, p), q in zip(ours.named_parameters(), theirs.parameters()):
            if p in optimisers[0].state and "noise_strength" not in name:  # every process draws its own noise
                # beta1 is 0: Adam's first moment is the gradient of the last update
                a, b = (optimiser.state[x]["exp_avg"] for optimiser, x in zip(optimisers, (p, q)))
                assert (a - b).norm() <= 0.02 * a.norm() + 1e-9, name


@pytest.mark.forks
def test_workers_that_cannot_join_say_why(faces, tmp_path):
    """It is not the others' fault: none of them is gone."""
    log = tmp_path / "log"
    arguments = ["train", "--image_folder_path", faces, *FLAGS, "--save_folder_path", tmp_path / "run", "--n_gpu", 2]
    workers = start_workers(2, arguments, log=log, GLOO_SOCKET_IFNAME="nosuch0")
    assert [exit_code(pid) for pid in workers] == [1, 1]
    said = log.read_text()
    (line,) = {line for line in said.splitlines() if "error:" in line}
    assert line.startswith("error: the processes of this training cannot join: ") and "nosuch0" in line
    assert "gone" not in said and "third_party" not in line and "Traceback" not in said


def test_batches_that_cannot_be_shared_are_refused():
    config = TrainConfig(max_step=1, mini_batch_size=5)
    with pytest.raises(ConfigError, match="5 at resolution 8 cannot be shared by 2"):
        check_batches(config, 2)


@pytest.mark.parametrize("share", [1, 5, 7])
def test_shares_without_minibatch_statistics_are_refused(share):
    config = TrainConfig(max_step=1, mini_batch_size=3 * share)
    with pytest.raises(ConfigError, match=f"gives each of 3 processes {share}, .*take 12 or another multiple of 6"):
        check_batches(config, 3)
    check_batches(dataclasses.replace(config, mbstd_group_size=1), 3)
    check_batches(dataclasses.replace(config, mini_batch_size=share), 1)
    check_batches(dataclasses.replace(config, mini_batch_size=6), 3)


def test_only_batches_that_are_trained_are_checked():
    check_batches(TrainConfig(max_step=4, step=4, batch_size={64: 48}), 3)


@pytest.mark.parametrize("kind", ["cpu", "cuda"])
def test_the_others_wait_while_rank_0_measures(kind, monkeypatch):
    told, devices = {}, []
    monkeypatch.setenv("RANK", "1")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("LOCAL_RANK", "1")
    monkeypatch.setattr(launch.dist, "is_initialized", lambda: False)
    monkeypatch.setattr(launch.dist, "init_process_group", lambda **settings: told.update(settings))
    monkeypatch.setattr(torch.cuda, "set_device", devices.append)
    own = torch.device("cuda", 1) if kind == "cuda" else torch.device("cpu")
    assert launch.join_workers(torch.device(kind)) == own
    assert told.pop("timeout").total_seconds() == 7200
    if kind == "cuda":
        assert (told, devices) == ({"backend": "nccl", "device_id": own}, [own])
    else:
        assert (told, devices) == ({"backend": "gloo"}, [])


def test_save_every_and_seed_reach_the_run(faces, tmp_path, monkeypatch):
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    tiny = dict(max_step=1, n_fc=2, dim_latent=8, channel_base=64, channel_max=8, mini_batch_size=4, device="cpu")
    tiny |= dict(n_sample_total=24, image_folder_path=str(faces))
    saved, weights = {}, {}
    for name, changes in {"often": dict(save_every=8), "seldom": dict(save_every=100), "other": dict(seed=1)}.items():
        config = TrainConfig(**tiny, **changes, save_folder_path=str(tmp_path / name))
        saved[name] = [event.nimg for event in run_training(config) if isinstance(event, Saved)]
        weights[name] = load_state(tmp_path / name).G.mapping.fc0.weight
    assert saved["often"] == [8, 16, 24]
    assert saved["seldom"] == [24]
    assert (weights["often"] == weights["seldom"]).all() and not (weights["other"] == weights["often"]).all()


def test_run_training_alone_does_not_pretend_to_be_many(faces, tmp_path):
    config = TrainConfig(image_folder_path=str(faces), save_folder_path=str(tmp_path), n_gpu=2, device="cpu")
    with pytest.raises(ConfigError, match="n_gpu is 2, but run_training trains in this process alone"):
        run_training(config)


def test_a_real_run_measures_and_logs(tmp_path, monkeypatch):
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    paths = dict(image_folder_path=str(draw_pictures(tmp_path / "faces")), save_folder_path=str(tmp_path / "run"))
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
    paths = dict(image_folder_path=str(draw_pictures(tmp_path / "faces", 3)), save_folder_path=str(tmp_path / "run"))
    with pytest.raises(ConfigError, match="metrics_every needs at least 10 images to compare, and there are 3"):
        run_training(TrainConfig(**TINY, **paths, metrics_every=8, device="cpu"))
    assert not (tmp_path / "run").exists()


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

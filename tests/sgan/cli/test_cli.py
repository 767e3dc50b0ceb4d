"""The real commands of sgan, run as a user runs them."""

import contextlib
import dataclasses
import io
import json
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from processes import ROOT, environment, exit_code, real_sgan, sgan, start, start_workers

import bars
from provenance import GENERATED, read_mark
from sgan.cli import main
from sgan.cli import progress as main_progress
from sgan.config import PRESETS, ConfigError, TrainConfig
from sgan.events import Control, RolledBack, Saved, Step
from sgan.launch import bridge
from sgan.launch import crew
from sgan.launch import run as launch
from sgan.launch.device import resolve_device
from sgan.launch.run import check_batches, run_training
from sgan.training.state import TrainState, load_state
from sgan.weights.checkpoint import save_generator

@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    rng = np.random.default_rng(0)
    for i in range(6):
        Image.fromarray(rng.integers(0, 256, (20, 20, 3), dtype=np.uint8)).save(folder / f"{i}.png")
    return folder


@pytest.fixture(scope="module")
def run(faces, tmp_path_factory):
    """A finished tiny run: (its folder, what the command printed)."""
    folder = tmp_path_factory.mktemp("run") / "new" / "deep"
    done = real_sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", folder, *TINY_FLAGS, "--n_sample_total", 24,
        cache=folder / "cache",
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    return folder, done


def one_sentence(done, code, *words):
    """The command failed with `code` and one line that holds the words; no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "error:" in last and all(str(word) in last for word in words), last


def test_train_writes_what_it_promises(run):
    folder, done = run
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "stats.jsonl", "losses.png", "generator.safetensors", "generator.json"} <= names
    assert list((folder / "tensorboard").glob("events.*"))
    assert "state-000000024.safetensors" in names and "grid-000000024.jpg" in names
    assert "note: r1_gamma is 0.0032 at 8 pixels: 0.0002 * 8^2 / 4" in done.stdout
    assert "16px" in done.stderr and "kimg" in done.stderr and "alpha 1.00" in done.stderr
    assert f"sample --checkpoint {folder}" in done.stdout
    rows = [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [2, 4, 6]
    assert [row["resolution"] for row in rows] == [8, 16, 16]
    assert Image.open(folder / "grid-000000024.jpg").size == (96, 96)  # 6 x 6 faces of 16 pixels
    assert read_mark(folder / "grid-000000024.jpg").source_type == GENERATED


def test_the_same_command_goes_on(run, faces, tmp_path):
    folder, _ = run
    more = ["train", "--save_folder_path", folder, "--n_sample_total", 32]
    done = sgan(*more, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "going on after 0.024 kimg" in done.stdout
    state = load_state(folder)
    assert state.nimg == 32 and state.config.dim_latent == 8 and state.config.image_folder_path == str(faces)
    iterations = [json.loads(line)["iteration"] for line in (folder / "stats.jsonl").read_text().splitlines()]
    assert iterations == [2, 4, 6, 8]


def test_other_networks_in_the_same_folder_are_refused(run, tmp_path):
    folder, _ = run
    done = sgan("train", "--save_folder_path", folder, "--dim_latent", 16, cache=tmp_path)
    one_sentence(done, 2, "dim_latent", "16", "8", "save_folder_path")


def test_is_train_false_only_draws_the_grid(run, tmp_path):
    folder, _ = run
    before = load_state(folder).nimg
    grid = folder / f"grid-{before:09d}.jpg"
    grid.unlink()
    files = lambda: {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}  # noqa: E731
    others = files()
    done = sgan("train", "--save_folder_path", folder, "--is_train", "False", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert grid.exists() and load_state(folder).nimg == before
    assert {path: when for path, when in files().items() if path != grid} == others, "logs are a training's"
    done = sgan("train", "--save_folder_path", tmp_path / "none", "--is_train", "False", cache=tmp_path)
    one_sentence(done, 1, "holds no state")


def test_is_continue_false_starts_anew_and_keeps_the_old_run(faces, tmp_path):
    common = ["train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "run", *TINY_FLAGS]
    assert sgan(*common, "--n_sample_total", 16, cache=tmp_path).returncode == 0
    done = sgan(*common, "--n_sample_total", 8, "--is_continue", "False", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_state(tmp_path / "run").nimg == 8
    assert load_state(tmp_path / "run" / "earlier-1").nimg == 16
    done = sgan("train", "--save_folder_path", tmp_path / "run", "--n_sample_total", 12, cache=tmp_path)
    assert "going on after 0.008 kimg" in done.stdout  # starting anew was asked for once


def test_resume_from_starts_from_other_weights(run, faces, tmp_path):
    folder, _ = run
    done = sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "new", *TINY_FLAGS, "--resume_from", folder,
        "--n_sample_total", 0, cache=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    old, new = load_state(folder), load_state(tmp_path / "new")
    assert new.nimg == 0
    assert all((a == b).all() for a, b in zip(old.G.parameters(), new.G.parameters()))


def test_ctrl_c_saves_and_says_how_to_go_on(faces, tmp_path):
    command = [sys.executable, "-m", "sgan", "train", "--image_folder_path", str(faces), *TINY_FLAGS]
    command += ["--save_folder_path", str(tmp_path / "run"), "--n_sample_total", "1000000"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path / "c")
    )
    deadline = time.monotonic() + 240
    stats = tmp_path / "run" / "stats.jsonl"
    while not (stats.exists() and stats.read_text().count("\n") > 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "Stopped and saved" in out and "python -m sgan train" in out and "Traceback" not in err
    assert load_state(tmp_path / "run").nimg > 0




@pytest.mark.filterwarnings("ignore:FigureCanvasAgg is non-interactive")
@pytest.mark.parametrize("name", ["README.md", "README.ko.md"])
def test_the_python_lines_of_the_readme_work_as_written(name, faces, tmp_path, monkeypatch):
    """In a folder with the pictures, with a preset that is small."""
    blocks = re.findall(r"```python\n(.*?)```", (ROOT / name).read_text(encoding="utf-8"), re.DOTALL)
    (code,) = [block for block in blocks if "from sgan import" in block]
    small = dict(max_step=1, n_fc=2, dim_latent=8, channel_base=64, channel_max=8, mini_batch_size=4, n_sample_total=4)
    monkeypatch.setitem(PRESETS, "cpu", small)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    monkeypatch.chdir(tmp_path)
    Path("faces").symlink_to(faces)
    names = {}
    exec(compile(code, name, "exec"), names)
    shown = [axis for axis in names["plt"].gcf().axes if axis.images]
    assert len(shown) == 16 and shown[0].images[0].get_array().shape == (8, 8, 3)
    assert load_state(tmp_path / "checkpoints" / "mine").nimg == 4
    names["plt"].close("all")


@pytest.mark.forks
def test_two_processes_equal_one(faces, tmp_path):
    """The first step of two workers equals that of one process at the same total batch, within rounding."""
    common = ["--image_folder_path", faces, *TINY_FLAGS, "--n_sample_total", 8, "--mini_batch_size", 8, "--save_every", 8]
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


def wait_for(path, rows, *pids):
    """Waits until a log has so many rows while the processes live."""
    deadline = time.monotonic() + 240
    while not (path.exists() and path.read_text().count("\n") >= rows):
        assert all(os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in pids) and time.monotonic() < deadline
        time.sleep(0.05)


@pytest.mark.forks
def test_workers_stop_together(faces, tmp_path):
    """One of them is told to stop: both end in order after the same step, and the state is saved."""
    run = tmp_path / "run"
    arguments = ["train", "--image_folder_path", faces, *TINY_FLAGS, "--save_folder_path", run, "--n_sample_total", 10**6]
    workers = start_workers(2, [*arguments, "--n_gpu", 2], RANDOM_UNREAL_FACE_CACHE=tmp_path / "cache")
    wait_for(run / "stats.jsonl", 2, *workers)
    os.kill(workers[1], signal.SIGTERM)
    assert [exit_code(pid) for pid in workers] == [0, 0]
    assert 0 < load_state(run).nimg < 10**6 and (run / "generator.safetensors").exists()


def test_ctrl_c_ends_all_workers_with_a_saved_state(faces, tmp_path):
    """As a terminal does it: the signal goes to the whole foreground group."""
    run, out, err = tmp_path / "run", tmp_path / "out", tmp_path / "err"
    arguments = ["train", "--image_folder_path", faces, *TINY_FLAGS, "--save_folder_path", run, "--n_sample_total", 10**6]
    command = [sys.executable, "-m", "sgan", *map(str, arguments), "--n_gpu", "2"]
    with open(out, "w") as said, open(err, "w") as told:
        variables = environment(tmp_path / "cache")
        process = subprocess.Popen(command, cwd=ROOT, stdout=said, stderr=told, env=variables, start_new_session=True)
        wait_for(run / "stats.jsonl", 2)
        os.killpg(process.pid, signal.SIGINT)
        assert process.wait(240) == 0
    last = out.read_text().splitlines()[-1]
    assert last.startswith("Stopped and saved in") and out.read_text().count("Stopped and saved") == 1
    assert "error" not in err.read_text() and "Traceback" not in err.read_text() and "W1" not in err.read_text()
    assert 0 < load_state(run).nimg < 10**6


@pytest.mark.forks
def test_a_killed_worker_ends_the_run_with_a_state_to_go_on_from(faces, tmp_path):
    """The last line says who ended and how to go on, and the same command does."""
    run, log = tmp_path / "run", tmp_path / "log"
    arguments = ["train", "--image_folder_path", faces, *TINY_FLAGS, "--save_folder_path", run, "--save_every", 8]
    variables = dict(RANDOM_UNREAL_FACE_CACHE=tmp_path / "cache", OMP_NUM_THREADS=1)
    pid = start([*arguments, "--n_sample_total", 10**6, "--n_gpu", 2], log, **variables)
    wait_for(run / "stats.jsonl", 5, pid)
    os.kill(worker_of(run, 1), signal.SIGKILL)
    assert exit_code(pid) == 1
    said = log.read_text()
    state = load_state(run)
    last = said.strip().splitlines()[-1]
    assert last.startswith("error: worker 1 was ended by SIGKILL") and f"state-{state.nimg:09d}" in last, said
    assert "Traceback" not in said and said.count("error:") <= 2 and "third_party" not in said
    assert said.count("6 images in 1 folders") == 1  # one process alone speaks
    more = sgan(*arguments, "--n_sample_total", state.nimg + 8, "--n_gpu", 1, cache=tmp_path / "cache")
    assert more.returncode == 0 and f"going on after {state.nimg / 1000:g} kimg" in more.stdout


@pytest.mark.forks
def test_workers_save_and_end_when_their_command_was_killed(faces, tmp_path):
    """SIGKILL leaves the command no time to tell them; they look for it themselves."""
    run, log = tmp_path / "run", tmp_path / "log"
    arguments = ["train", "--image_folder_path", faces, *TINY_FLAGS, "--save_folder_path", run, "--n_sample_total", 10**6]
    variables = dict(RANDOM_UNREAL_FACE_CACHE=tmp_path / "cache", OMP_NUM_THREADS=1)
    pid = start([*arguments, "--n_gpu", 2], log, **variables)
    wait_for(run / "stats.jsonl", 2, pid)
    workers = [worker_of(run, rank) for rank in range(2)]
    os.kill(pid, signal.SIGKILL)
    assert exit_code(pid) == -signal.SIGKILL
    deadline = time.monotonic() + 60
    while any(command_of(worker) for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.1)
    left = [worker for worker in workers if command_of(worker)]
    for worker in left:
        os.kill(worker, signal.SIGKILL)
    said = log.read_text()
    assert not left and "Stopped and saved in" in said and "error:" not in said, said
    assert 0 < load_state(run).nimg < 10**6 and (run / "generator.safetensors").exists()


def command_of(pid):
    """The command line of a living process, nothing of one that has ended."""
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/cmdline").read_bytes()
    return b""


@pytest.mark.forks
def test_workers_that_cannot_join_say_why(faces, tmp_path):
    """It is not the others' fault: none of them is gone."""
    log = tmp_path / "log"
    arguments = ["train", "--image_folder_path", faces, *TINY_FLAGS, "--save_folder_path", tmp_path / "run", "--n_gpu", 2]
    workers = start_workers(2, arguments, log=log, GLOO_SOCKET_IFNAME="nosuch0")
    assert [exit_code(pid) for pid in workers] == [1, 1]
    said = log.read_text()
    (line,) = {line for line in said.splitlines() if "error:" in line}
    assert line.startswith("error: the processes of this training cannot join: ") and "nosuch0" in line
    assert "gone" not in said and "third_party" not in line and "Traceback" not in said


LOST = "[../third_party/gloo/pair.cc:534] Connection closed by peer [127.0.0.1]:4711\nmore"


@pytest.mark.parametrize("begun", [True, False])
def test_a_lost_worker_is_told_only_in_mid_training_and_with_the_reason(begun, tmp_path, monkeypatch, capsys):
    def run_training(*_):
        yield from [Saved(4, 1, tmp_path)] * begun
        raise RuntimeError(LOST)

    monkeypatch.setattr(launch, "run_training", run_training)
    monkeypatch.setattr(main_progress, "hear_endings", lambda *_: None)
    monkeypatch.setenv("RANK", "0")
    config = TrainConfig(save_folder_path=str(tmp_path))
    if not begun:
        with pytest.raises(RuntimeError, match="Connection closed"):
            main_progress.drive(config, [], [])
        return
    assert main_progress.drive(config, [], []) == 1
    last = capsys.readouterr().err.splitlines()[-1]
    assert last.startswith("error: another process of this training is gone or cannot be reached (Connection closed by")


def test_a_log_goes_on_after_a_rollback(tmp_path, monkeypatch):
    monkeypatch.setattr(bars.sys, "stderr", io.StringIO())
    monkeypatch.setattr(bars, "LINE_EVERY", 0.0)
    monkeypatch.setattr(bars, "LINES_APART", 0.0)
    with main_progress.Progress(TrainConfig(n_sample_total=100), False) as progress:
        for step in range(1, 4):
            progress.show(Step(16 * step, step, 8, 1.0, 16))
        progress.show(RolledBack(16, 1, "loss_d became nan", {"learning_rate": {8: 0.001}}))
        progress.show(Step(20, 2, 8, 1.0, 4))
        assert bars.sys.stderr.getvalue().splitlines()[-1].split()[1] == "20/100"


@pytest.fixture
def gang(monkeypatch):
    """A function that makes a Crew of processes with this code, by rank; the handlers of signals are kept, not set."""
    popen, handlers = subprocess.Popen, {}
    monkeypatch.setattr(crew.signal, "signal", handlers.__setitem__)

    def make(*codes):
        def start_one(command, env, start_new_session, **_):
            assert start_new_session and env["WORLD_SIZE"] == str(len(codes)) and command[-2:] == ["sgan", "train"]
            return popen([sys.executable, "-c", codes[int(env["RANK"])]], stdout=subprocess.PIPE, text=True)

        monkeypatch.setattr(crew.subprocess, "Popen", start_one)
        made = crew.Crew()
        made.pass_on_signals()
        made.start(len(codes), ["sgan", "train"])
        return made, handlers

    return make


WAIT = "import time; time.sleep(600)"
DULL = "import signal, time; signal.signal(15, lambda *_: None); print(flush=True)\nwhile True: time.sleep(1)"


@pytest.mark.forks
def test_the_worker_that_failed_is_told_and_the_others_are_ended(gang, monkeypatch):
    monkeypatch.setattr(crew, "LAST_WORDS", 0.5)
    dies = "import os; os.kill(os.getpid(), 9)"
    made, _ = gang(WAIT, dies, DULL)
    assert made.wait() and made.failure == (1, -9)
    assert [worker.returncode for worker in made.workers][:2] == [-15, -9] and made.workers[2].returncode in (-15, -9)
    assert str(crew.Failure(1, -9)) == "worker 1 was ended by SIGKILL (too little memory?)"
    assert str(crew.Failure(0, 3)) == "worker 0 failed with exit code 3"
    for code, failure in {"": None, "raise SystemExit(3)": (1, 3)}.items():
        made, _ = gang("", code)
        assert made.wait() and made.failure == failure


@pytest.mark.forks
def test_no_worker_is_left_when_a_later_one_cannot_be_started(gang, monkeypatch):
    made, _ = gang(WAIT, WAIT)
    start_one, started = crew.subprocess.Popen, []

    def start_first(*arguments, **named):
        if started:
            raise OSError(12, "Cannot allocate memory")
        started.append(start_one(*arguments, **named))
        return started[0]

    monkeypatch.setattr(crew.subprocess, "Popen", start_first)
    with pytest.raises(OSError, match="memory"):
        crew.Crew().start(2, ["sgan", "train"])
    assert started[0].wait(60) == -signal.SIGKILL
    made._send(signal.SIGTERM)
    assert made.wait() and made.failure.code == -signal.SIGTERM


@pytest.mark.forks
def test_workers_that_do_not_end_in_time_are_ended(gang):
    made, _ = gang(DULL, DULL)
    for worker in made.workers:
        worker.stdout.readline()
    assert not made.wait(0.2) and made.running()
    made.dismiss(0.2)
    assert [worker.returncode for worker in made.workers] == [-9, -9]


@pytest.mark.forks
def test_whoever_insists_ends_workers_that_do_not_end(gang):
    made, handlers = gang(DULL, DULL)
    assert {signal.SIGINT, signal.SIGTERM} <= set(handlers)
    for worker in made.workers:
        worker.stdout.readline()  # it takes no notice of SIGTERM from now on
    for _ in range(3):
        assert [worker.poll() for worker in made.workers] == [None, None]
        handlers[signal.SIGINT](signal.SIGINT, None)
    assert made.wait() and made.failure.code == -9 and made.asked == 3


@pytest.mark.forks
def test_a_notebook_is_told_which_worker_was_killed_and_not_that_another_lost_it(gang, tmp_path):
    made, _ = gang(WAIT, "import os; os.kill(os.getpid(), 9)")
    made.workers[1].wait(60)
    ours, theirs = socket.socketpair()
    bridge.Link(theirs).send({"error": "Connection closed by peer"})
    with pytest.raises(RuntimeError, match="worker 1 was ended by SIGKILL .*; see .*workers.log"):
        next(bridge._follow(bridge.Link(ours), Control(), made, tmp_path / "workers.log"))
    made.dismiss(60)
    assert made.workers[0].returncode == -signal.SIGTERM
    ours.close(), theirs.close()


def worker_of(run, rank):
    """The process number of one worker of the run in this folder."""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            command = (entry.parent / "cmdline").read_bytes()
            if str(run).encode() in command and f"\0RANK={rank}\0".encode() in b"\0" + entry.read_bytes():
                return int(entry.parent.name)
    raise AssertionError("no such worker")


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


def test_the_example_of_several_machines_gives_whole_groups():
    text = (ROOT / "docs" / "scaling.md").read_text(encoding="utf-8")
    command = text[text.index("torchrun --nnodes 2 --nproc_per_node 8") :].split("```")[0].replace("\\\n", " ")
    options = main.build_parser().parse_args(command.split()[command.split().index("train") :])
    config = main.make_config(options, False)
    check_batches(config, 16)
    sizes = {config.batch_size_at(2 ** (step + 2)) for step in range(config.step, config.max_step + 1)}
    assert all(size // 16 % config.mbstd_group_size == 0 for size in sizes)


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


def test_visible_devices_reach_the_environment(monkeypatch, faces, tmp_path):
    seen = {}
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", "")
    monkeypatch.setattr(main, "drive", lambda *args: seen.update(os.environ) or 0)
    arguments = ["train", "--image_folder_path", str(faces), "--save_folder_path", str(tmp_path / "run")]
    assert main.main([*arguments, "--CUDA_VISIBLE_DEVICES", "2,3", "--device", "cpu"]) == 0
    assert seen["CUDA_VISIBLE_DEVICES"] == "2,3"


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


def test_device_is_where_the_networks_lie():
    assert resolve_device("cpu").type == "cpu"
    state = TrainState.create(TrainConfig(max_step=1, n_fc=1, dim_latent=8, channel_base=64), "cpu")
    assert {p.device.type for net in state.networks().values() for p in net.parameters()} == {"cpu"}


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max_step", "1", "--step", "3"], ["max_step", "below step 3"]),
        (["--mini_batch_size", "0"], ["mini_batch_size", "0"]),
        (["--batch_size", "64:0"], ["batch_size"]),
        (["--batch_size", "63:4"], ["63"]),
        (["--batch_size", "64:1.5"], ["batch_size", "whole number"]),
        (["--learning_rate", "inf"], ["learning_rate", "inf"]),
        (["--device", "toaster"], ["toaster"]),
        (["--device", "cuda:77"], ["cuda:77"]),
        (["--learning_rate", "fast"], ["learning_rate", "fast"]),
        (["--n_sample", "many"], ["n_sample", "many"]),
        (["--is_train", "perhaps"], ["perhaps"]),
        (["--no_such_flag"], ["no_such_flag"]),
        (["--style_mixing", "8"], ["style_mixing", "8"]),
    ],
)
def test_impossible_settings_are_usage_errors(faces, tmp_path, arguments, words):
    common = ["train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "run"]
    one_sentence(sgan(*common, *arguments, cache=tmp_path / "cache"), 2, *words)
    assert not (tmp_path / "run").exists()


def test_folders_that_cannot_be_used(faces, tmp_path):
    run = ["--save_folder_path", tmp_path / "run", *TINY_FLAGS]
    one_sentence(sgan("train", "--save_folder_path", tmp_path / "run", cache=tmp_path / "c"), 2, "image_folder_path")
    one_sentence(sgan("train", "--image_folder_path", tmp_path / "none", *run, cache=tmp_path / "c"), 1, "none")
    (tmp_path / "empty").mkdir()
    one_sentence(sgan("train", "--image_folder_path", tmp_path / "empty", *run, cache=tmp_path / "c"), 1, "no image")
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("in the way")
    done = sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "file" / "run", *TINY_FLAGS, cache=tmp_path
    )
    one_sentence(done, 1, tmp_path / "file")


@pytest.fixture(scope="module")
def checkpoint(tmp_path_factory):
    folder = tmp_path_factory.mktemp("checkpoint")
    state = TrainState.create(TrainConfig(max_step=2, n_fc=2, dim_latent=8, channel_base=64, channel_max=8))
    save_generator(state.G_ema, folder / "generator.safetensors", {"nimg": 0})
    return folder


def test_sample_writes_pictures_a_grid_and_their_marks(checkpoint, tmp_path):
    done = real_sgan("sample", "--checkpoint", checkpoint, "--seeds", "3-5,9", "--out", tmp_path / "a" / "b")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert names == ["grid.png", "seed0003.png", "seed0004.png", "seed0005.png", "seed0009.png"]
    assert Image.open(tmp_path / "a" / "b" / "seed0003.png").size == (16, 16)
    shown = real_sgan("show", tmp_path / "a" / "b" / "seed0009.png")
    values = json.loads(shown.stdout)
    assert values["seed"] == 9 and values["truncation_psi"] == 0.7 and len(values["checkpoint"]) == 64
    assert values["DigitalSourceType"] == "trainedAlgorithmicMedia"
    alone = tmp_path / "one.png"
    assert sgan("sample", "--checkpoint", checkpoint, "--seeds", 9, "--out", alone).returncode == 0
    assert np.array_equal(np.asarray(Image.open(alone)), np.asarray(Image.open(tmp_path / "a" / "b" / "seed0009.png")))


def test_sample_mixes_styles_and_upsamples(checkpoint, tmp_path):
    done = sgan(
        "sample", "--checkpoint", checkpoint, "--seeds", "1-2", "--style_mixing", 0, 1, "--mix_seeds", "5-7",
        "--resolution", 64, "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "up-sampled from 16 by Lanczos" in done.stdout
    assert len(list(tmp_path.glob("seed*-mix*.png"))) == 6
    assert Image.open(tmp_path / "grid.png").size == (192, 128)
    mark = read_mark(tmp_path / "seed0001-mix0005.png").settings
    assert (mark["seed"], mark["mix_seed"], mark["style_mixing"], mark["resolution"]) == (1, 5, [0, 1], 64)


def test_sample_refuses_what_cannot_be(checkpoint, run, tmp_path):
    out = ["--out", tmp_path / "out"]
    one_sentence(sgan("sample", "--checkpoint", tmp_path / "none", *out), 1, "none", "does not exist")
    one_sentence(sgan("sample", "--checkpoint", ROOT / "README.md", *out), 1, "README.md")
    whole = (checkpoint / "generator.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-50])
    one_sentence(sgan("sample", "--checkpoint", tmp_path / "cut.safetensors", *out), 1, "cut.safetensors")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--seeds", "5-1", *out), 2, "5-1")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--style_mixing", 7, *out), 2, "style_mixing", "7")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--resolution", 2, *out), 2, "resolution")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--seeds", "0-3", "--out", tmp_path / "x.png"), 2, "x.png")
    (tmp_path / "file").write_text("in the way")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--out", tmp_path / "file" / "sub"), 1, tmp_path / "file")
    assert not (tmp_path / "out").exists()


def test_show_says_when_there_is_no_mark(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "plain.png")
    one_sentence(sgan("show", tmp_path / "plain.png"), 1, "plain.png", "no mark")
    (tmp_path / "text.png").write_text("no picture")
    one_sentence(sgan("show", tmp_path / "text.png"), 1, "text.png")
    one_sentence(sgan("show", tmp_path / "none.png"), 1, "none.png")


def test_every_flag_tells_its_default():
    parser = main.build_parser()._subparsers._group_actions[0].choices["train"]
    text = parser.format_help()
    assert "MISSING" not in text and text.count("(default:") >= len(dataclasses.fields(TrainConfig))


def test_workers_are_not_started_for_what_cannot_be(tmp_path):
    done = sgan("train", "--image_folder_path", tmp_path / "none", "--n_gpu", 3, "--device", "cpu", cache=tmp_path)
    one_sentence(done, 2, "cannot be shared by 3")
    done = sgan("train", "--image_folder_path", tmp_path / "none", "--n_gpu", 2, "--device", "cpu", cache=tmp_path)
    one_sentence(done, 1, "none")
    assert len(done.stderr.splitlines()) == 1


def test_flags_are_made_from_the_settings():
    parser = main.build_parser()
    options = parser.parse_args(
        ["train", "--batch_size", "8:4,16:2", "--style_mixing", "0", "1", "--is_continue", "False", "--DGR", "2"]
    )
    options.preset = "cpu"
    config = main.make_config(options, cuda=False)
    assert config.batch_size == {8: 4, 16: 2} and config.style_mixing == (0, 1)
    assert config.is_continue is False and config.DGR == 2
    assert config.channel_base == 2048  # the preset fills in the rest


def test_the_full_resolution_of_a_gpus_preset_is_no_wrong_usage_before_torch_is_asked():
    options = main.build_parser().parse_args(["train", "--image_folder_path", "faces", "--step", "6"])
    assert main._early_config(options).max_step == 6
    options = main.build_parser().parse_args(
        ["train", "--image_folder_path", "faces", "--step", "6", "--max_step", "3"]
    )
    with pytest.raises(ConfigError, match="max_step is 3, below step"):
        main._early_config(options)


def test_a_run_whose_folder_was_moved_goes_on_where_it_is_now(run, tmp_path):
    shutil.copytree(run[0], tmp_path / "moved")
    options = main.build_parser().parse_args(["train", "--save_folder_path", str(tmp_path / "moved")])
    assert main.make_config(options, cuda=False).save_folder_path == str(tmp_path / "moved")


def test_run_training_alone_does_not_pretend_to_be_many(faces, tmp_path):
    config = TrainConfig(image_folder_path=str(faces), save_folder_path=str(tmp_path), n_gpu=2, device="cpu")
    with pytest.raises(ConfigError, match="n_gpu is 2, but run_training trains in this process alone"):
        run_training(config)


def test_a_changed_flag_is_in_the_journal_on_disk(run, faces, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    done = sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "run", *TINY_FLAGS, "--learning_rate", "0.01",
        "--n_sample_total", "40", cache=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = [json.loads(line) for line in (tmp_path / "run" / "hparams.jsonl").read_text().splitlines()]
    assert row["patch"]["learning_rate"]["8"] == 0.01
    assert load_state(tmp_path / "run").journal == [row]

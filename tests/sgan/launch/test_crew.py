"""The processes of one training: they stop together, and say in one sentence who failed."""

import contextlib
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from processes import (
    FLAGS,
    ROOT,
    environment,
    exit_code,
    sgan,
    start,
    start_workers,
    wait_for,
)

from sgan.launch import crew
from sgan.training.state import load_state


@pytest.mark.forks
def test_workers_stop_together(faces, tmp_path):
    """One of them is told to stop: both end in order after the same step, and the state is saved."""
    run = tmp_path / "run"
    arguments = ["train", "--image_folder_path", faces, *FLAGS, "--save_folder_path", run, "--n_sample_total", 10**6]
    workers = start_workers(2, [*arguments, "--n_gpu", 2], RANDOM_UNREAL_FACE_CACHE=tmp_path / "cache")
    wait_for(run / "stats.jsonl", 2, *workers)
    os.kill(workers[1], signal.SIGTERM)
    assert [exit_code(pid) for pid in workers] == [0, 0]
    assert 0 < load_state(run).nimg < 10**6 and (run / "generator.safetensors").exists()


def test_ctrl_c_ends_all_workers_with_a_saved_state(faces, tmp_path):
    """As a terminal does it: the signal goes to the whole foreground group."""
    run, out, err = tmp_path / "run", tmp_path / "out", tmp_path / "err"
    arguments = ["train", "--image_folder_path", faces, *FLAGS, "--save_folder_path", run, "--n_sample_total", 10**6]
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
    arguments = ["train", "--image_folder_path", faces, *FLAGS, "--save_folder_path", run, "--save_every", 8]
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
    arguments = ["train", "--image_folder_path", faces, *FLAGS, "--save_folder_path", run, "--n_sample_total", 10**6]
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


def worker_of(run, rank):
    """The process number of one worker of the run in this folder."""
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with contextlib.suppress(OSError):
            command = (entry.parent / "cmdline").read_bytes()
            if str(run).encode() in command and f"\0RANK={rank}\0".encode() in b"\0" + entry.read_bytes():
                return int(entry.parent.name)
    raise AssertionError("no such worker")

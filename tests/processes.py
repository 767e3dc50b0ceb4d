"""Ways to run the command line in tests, in this process, a fork of it, or as a user does; and how it should end."""

import contextlib
import io
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from unittest import mock

from sgan.cli import main
from sgan.launch.crew import free_port

ROOT = Path(__file__).resolve().parent.parent
FLAGS = "--step 1 --max_step 2 --n_fc 2 --dim_latent 8 --channel_base 64 --channel_max 8 --mini_batch_size 4"
FLAGS = [*FLAGS.split(), *["--n_sample", "8", "--n_show_loss", "2", "--n_show_grid", "4", "--device", "cpu"]]


def environment(cache):
    return {**os.environ, "OMP_NUM_THREADS": "1", "RANDOM_UNREAL_FACE_CACHE": str(cache)}


def sgan(*arguments, cache=""):
    """`python -m sgan ARGUMENTS` within this process: quick, since torch is imported already."""
    out, err, words = io.StringIO(), io.StringIO(), [str(argument) for argument in arguments]
    handlers = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}
    try:
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err), mock.patch.dict(os.environ):
            os.environ["RANDOM_UNREAL_FACE_CACHE"] = str(cache)
            code = main.main(words)
    except SystemExit as error:  # argparse
        code = error.code
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    return subprocess.CompletedProcess(words, code, out.getvalue(), err.getvalue())


def real_sgan(*arguments, cache=""):
    """The same as a process of its own."""
    command = [sys.executable, "-m", "sgan", *map(str, arguments)]
    return subprocess.run(
        command, cwd=ROOT, capture_output=True, text=True, timeout=300, env=environment(cache), check=False
    )


def start(arguments, log=os.devnull, **variables):
    """Forks a process that runs the command, with these environment variables; its number."""
    pid = os.fork()
    if pid == 0:
        file = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(file, 1), os.dup2(file, 2)
        sys.stdout, sys.stderr = (os.fdopen(number, "w", buffering=1) for number in (1, 2))  # not what pytest put there
        os.environ.update({name: str(value) for name, value in variables.items()})
        try:
            os._exit(main.main([str(argument) for argument in arguments]))
        finally:
            os._exit(99)
    return pid


def start_workers(n, arguments, log=os.devnull, **variables):
    """Forks n workers as torchrun would start them; their numbers."""
    group = dict(WORLD_SIZE=n, MASTER_ADDR="127.0.0.1", MASTER_PORT=free_port(), **variables)
    return [start(arguments, log, RANK=rank, LOCAL_RANK=rank, **group) for rank in range(n)]


def exit_code(pid):
    """Waits for a forked process."""
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])


def one_sentence(done, code, *words):
    """The command failed with `code` and one line that holds the words; no traceback."""
    assert done.returncode == code, done.stderr
    assert "Traceback" not in done.stderr
    last = done.stderr.strip().splitlines()[-1]
    assert "error:" in last and all(str(word) in last for word in words), last


def wait_for(path, rows, *pids):
    """Waits until a log has so many rows while the processes live."""
    deadline = time.monotonic() + 240
    while not (path.exists() and path.read_text().count("\n") >= rows):
        assert all(os.waitpid(pid, os.WNOHANG) == (0, 0) for pid in pids) and time.monotonic() < deadline
        time.sleep(0.05)

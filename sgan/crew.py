"""The processes of `train --n_gpu N` on this machine: started, told of signals, and ended when one of them fails.

Each runs the same command and joins the others as it would under torchrun. torchrun itself serves several machines; on
one it adds a process of 500 MB that answers a signal, or the death of a worker, with a traceback of its own.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Sequence
from threading import Thread
from typing import NamedTuple

LOOK = 0.1  # seconds between two looks at the workers
LAST_WORDS = 30.0  # seconds that the others have to end after one has failed
INSIST = 3  # signals after which workers are ended that do not end
VARIABLE = "RANDOM_UNREAL_FACE_CREW"  # tells a worker the number of the process that started it
WATCH = 1.0  # seconds between two looks of a worker at that process


class Failure(NamedTuple):
    """The worker that failed first: its rank, and its exit code, or less than 0 for the signal that ended it."""

    rank: int
    code: int

    def __str__(self) -> str:
        if self.code >= 0:
            return f"worker {self.rank} failed with exit code {self.code} (what it said is above)"
        memory = " (too little memory?)" if self.code == -9 else ""  # as the system does then
        return f"worker {self.rank} was ended by {signal.Signals(-self.code).name}{memory}"


class Crew:
    """n processes of `python -m sgan ARGUMENTS` that train together. asked: how many signals came to end them."""

    def __init__(self, n: int, arguments: Sequence[str]):
        self.asked = 0
        self.workers: list[subprocess.Popen] = []
        self._pass_on_signals()
        group = os.environ | {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        group.setdefault("OMP_NUM_THREADS", "1")  # as under torchrun: the processes share the cores
        group[VARIABLE] = str(os.getpid())
        try:
            for rank in range(n):
                own = group | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                # In a session of their own: a Ctrl-C must reach them once, from here.
                worker = subprocess.Popen([sys.executable, "-m", "sgan", *arguments], env=own, start_new_session=True)
                self.workers.append(worker)
        except BaseException:  # those that are there would wait for the others
            self._end()
            raise

    def wait(self) -> Failure | None:
        """Returns when all have ended; the one that failed first, None when none did."""
        failure, until = None, float("inf")
        while None in [worker.poll() for worker in self.workers]:
            if failure is None and (failure := self._failed()):
                until = time.monotonic() + LAST_WORDS
                self._send(signal.SIGTERM)
            if time.monotonic() > until:
                self._end()
            time.sleep(LOOK)
        return failure or self._failed()

    def _failed(self) -> Failure | None:
        """A worker that has failed: one that was killed first, since the others fail when they miss it."""
        failed = [Failure(rank, worker.returncode) for rank, worker in enumerate(self.workers) if worker.returncode]
        return min(failed, key=lambda failure: failure.code > 0, default=None)

    def _pass_on_signals(self) -> None:
        signal.signal(signal.SIGINT, self._hear)
        signal.signal(signal.SIGTERM, self._hear)
        if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:  # as nohup leaves it
            signal.signal(signal.SIGHUP, self._hear)

    def _hear(self, *_) -> None:
        self.asked += 1
        self._send(signal.SIGTERM) if self.asked < INSIST else self._end()

    def _send(self, number: int) -> None:
        for worker in self.workers:
            if worker.poll() is None:
                worker.send_signal(number)

    def _end(self) -> None:
        for worker in self.workers:
            worker.kill()


def end_with_crew() -> None:
    """In a worker of a Crew: it gets SIGTERM, upon which it saves and ends, once the Crew's process is gone.

    That one may have been killed, and could tell nobody. Does nothing in processes that no Crew has started, nor on
    Windows, where a process keeps the number of a parent that is gone, and in a venv has another one to begin with.
    """
    if VARIABLE in os.environ and os.name != "nt":
        Thread(target=_watch, args=(int(os.environ[VARIABLE]),), daemon=True).start()


def _watch(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(WATCH)
    os.kill(os.getpid(), signal.SIGTERM)


def free_port() -> int:
    """A port of this machine on which nothing listens."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]

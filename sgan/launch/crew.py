"""The processes of a training with n_gpu above 1 on this machine: started, told of signals, ended when one fails.

They join each other as they would under torchrun. torchrun itself serves several machines; on one it adds a process of
500 MB that answers a signal, or the death of a worker, with a traceback of its own.
"""

import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from threading import Thread
from typing import IO, Any, NamedTuple

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
            return f"worker {self.rank} failed with exit code {self.code}"
        memory = " (too little memory?)" if self.code == -9 else ""  # as the system does then
        return f"worker {self.rank} was ended by {signal.Signals(-self.code).name}{memory}"


def hear_endings(handler: Callable[[int, Any], None]) -> None:
    """The handler hears Ctrl-C, SIGTERM and, unless nohup made this process deaf to it, the end of the terminal."""
    signal.signal(signal.SIGINT, handler)
    signal.signal(signal.SIGTERM, handler)
    if hasattr(signal, "SIGHUP") and signal.getsignal(signal.SIGHUP) is not signal.SIG_IGN:
        signal.signal(signal.SIGHUP, handler)


class Crew:
    """Processes of `python -m MODULE ARGUMENTS` that train together.

    failure: the first one, None while there is none. asked: how many signals came to end them.
    """

    def __init__(self):
        self.asked = 0
        self.failure: Failure | None = None
        self.workers: list[subprocess.Popen] = []
        self._until = float("inf")  # when the others are ended that have not ended by themselves

    def start(
        self, n: int, command: Sequence[str], variables: Mapping[str, str] | None = None, output: IO | None = None
    ) -> None:
        """Starts n workers: command is MODULE and its arguments, output takes what they say (None: as this process)."""
        group = {**os.environ, **(variables or {})}
        group |= {"WORLD_SIZE": str(n), "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(free_port())}
        group.setdefault("OMP_NUM_THREADS", "1")  # as under torchrun: the processes share the cores
        group[VARIABLE] = str(os.getpid())
        try:
            for rank in range(n):
                own = group | {"RANK": str(rank), "LOCAL_RANK": str(rank)}
                # In a session of their own: a Ctrl-C must reach them once, from here.
                worker = subprocess.Popen(
                    [sys.executable, "-m", *command],
                    env=own, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True,
                )  # fmt: skip
                self.workers.append(worker)
        except BaseException:  # those that are there would wait for the others
            self._end()
            raise

    def pass_on_signals(self) -> None:
        """From now on signals that ask this process to end reach the workers, which save and end."""
        hear_endings(self._hear)

    def running(self) -> bool:
        """Whether any worker runs. Once one has failed the others are told to end, and soon after ended."""
        some = None in [worker.poll() for worker in self.workers]
        if self.failure is None and (failure := self._failed()):
            self.failure, self._until = failure, time.monotonic() + LAST_WORDS
            self._send(signal.SIGTERM)
        if some and time.monotonic() > self._until:
            self._end()
        return some

    def wait(self, seconds: float = float("inf")) -> bool:
        """Whether all have ended, after at most so many seconds."""
        until = time.monotonic() + seconds
        while self.running():
            if time.monotonic() > until:
                return False
            time.sleep(LOOK)
        return True

    def dismiss(self, seconds: float) -> None:
        """Ends the workers that have not ended after so many seconds."""
        if not self.wait(seconds):
            self._end()
            self.wait()

    def _failed(self) -> Failure | None:
        """A worker that has failed: one that was killed first, since the others fail when they miss it."""
        failed = [Failure(rank, worker.returncode) for rank, worker in enumerate(self.workers) if worker.returncode]
        return min(failed, key=lambda failure: failure.code > 0, default=None)

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

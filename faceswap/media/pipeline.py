"""Stages that work at the same time: threads that work a little ahead, a little behind, or aside."""

from __future__ import annotations

import queue
import threading
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

Item = TypeVar("Item")
PATIENCE = 0.1  # seconds between looks whether the thread on the other side goes on


def ahead(items: Iterator[Item], count: int) -> Iterator[Item]:
    """Yields the items of an iterator in their order while a thread works out at most `count` of them in advance.

    An exception of the iterator is raised at its place. Closed early, or left by an exception, it waits until the
    thread has ended, so that what the iterator uses may be closed afterwards.
    """
    ready: queue.Queue = queue.Queue(max(count, 1))
    unwanted = threading.Event()

    def put(item: Item | None, error: BaseException | None, ended: bool) -> None:
        while not unwanted.is_set():
            try:
                return ready.put((item, error, ended), timeout=PATIENCE)
            except queue.Full:
                continue

    def work() -> None:
        try:
            for item in items:
                put(item, None, False)
                if unwanted.is_set():
                    return
            put(None, None, True)
        except BaseException as error:  # told to whoever waits for the item
            put(None, error, True)

    thread = threading.Thread(target=work, name="ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error, ended = ready.get()
            if error is not None:
                raise error
            if ended:
                return
            yield item
    finally:
        unwanted.set()
        thread.join()


class Behind:
    """Calls that are made in their order in a thread of its own while at most `count` of them wait.

    Left as a context, it waits until all are made; left by an exception that says something went wrong, those that
    wait are dropped. An exception of a call is raised at the next `do`, or at the end; the calls after it are dropped.
    """

    def __init__(self, count: int):
        self._calls: queue.Queue = queue.Queue(max(count, 1))
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._work, name="behind")
        self._thread.start()

    def _work(self) -> None:
        while (call := self._calls.get()) is not None:
            if self._error is None:
                try:
                    call[0](*call[1:])
                except BaseException as error:  # told to whoever gives the calls
                    self._error = error

    def do(self, work: Callable, *args) -> None:
        """Has work(*args) called when its turn has come; waits while too many are waiting."""
        if self._error is not None:
            raise self._error
        self._calls.put((work, *args))

    def __enter__(self) -> Behind:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _) -> None:
        wrong = kind is not None and issubclass(kind, Exception)
        if wrong and self._error is None:
            self._error = error
        try:
            self._end()
        except BaseException as again:  # interrupted a second time: what waits is dropped, but the thread must end
            self._error = self._error or again
            self._end()
            raise
        if self._error is not None and not wrong:
            raise self._error

    def _end(self) -> None:
        self._calls.put(None)
        self._thread.join()


class Aside(Generic[Item]):
    """A call that is worked out in a thread of its own while its starter goes on.

    Args:
        work, args: what is called, and with what; nobody else may use or change them until the result is there.
    """

    def __init__(self, work: Callable[..., Item], *args):
        self._result: Item | None = None
        self._error: BaseException | None = None
        self._thread = threading.Thread(target=self._run, args=(work, args), name="aside")
        self._thread.start()

    def _run(self, work: Callable[..., Item], args: tuple) -> None:
        try:
            self._result = work(*args)
        except BaseException as error:  # told to whoever waits for the result
            self._error = error

    def result(self) -> Item:
        """Waits until the call has ended; returns what it returned, or raises what it raised."""
        self._thread.join()
        if self._error is not None:
            raise self._error
        return self._result

"""Facts about work ahead, behind and aside."""

import itertools
import threading
import time

import pytest

from faceswap.media.pipeline import Aside, Behind, ahead


def test_work_ahead_keeps_its_order_is_bounded_and_ends_with_whoever_wants_it():
    made = []

    def numbers():
        for number in itertools.count():
            made.append(number)
            yield number

    items = ahead(numbers(), 3)
    assert [next(items) for _ in range(10)] == list(range(10))
    time.sleep(0.05)
    assert len(made) <= 10 + 3 + 2  # those waiting, and one in hand at each side
    items.close()
    assert not [t for t in threading.enumerate() if t.name == "ahead"]
    count = len(made)
    time.sleep(0.02)
    assert len(made) == count
    assert list(ahead(iter([]), 2)) == []


def test_an_error_of_the_work_ahead_comes_at_its_place():
    def fails():
        yield 1
        raise ValueError("bad frame")

    items = ahead(fails(), 4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="bad frame"):
        next(items)


def test_work_behind_is_done_in_order_is_bounded_and_done_before_its_end():
    done, gate, given = [], threading.Event(), []

    def give(number):
        gate.wait(5)
        done.append((number, threading.current_thread().name))

    def giver():
        with Behind(2) as writing:
            for number in range(20):
                writing.do(give, number)
                given.append(number)

    thread = threading.Thread(target=giver)
    thread.start()
    time.sleep(0.05)
    assert len(given) <= 3 and not done  # two that wait and one in hand
    gate.set()
    thread.join()
    assert done == [(number, "behind") for number in range(20)]


@pytest.mark.parametrize("at", [0, 3, 9])
def test_an_error_of_the_work_behind_is_told_and_ends_it(at):
    done = []

    def fail(number):
        if number == at:
            raise OSError("disk full")
        done.append(number)

    with pytest.raises(OSError, match="disk full"), Behind(1) as writing:
        for number in range(10):
            writing.do(fail, number)
    assert done == list(range(at))
    assert not [t for t in threading.enumerate() if t.name == "behind"]


def test_what_waits_behind_is_finished_when_stopped_and_dropped_when_something_is_wrong():
    for error, complete in ((KeyboardInterrupt, True), (ValueError, False)):
        done, until = [], time.monotonic() + 30

        def first(writing, complete=complete, until=until):  # goes on when the error is known
            while writing._error is None and not complete and time.monotonic() < until:
                time.sleep(0.001)

        with pytest.raises(error), Behind(5) as writing:
            writing.do(first, writing)
            for number in range(4):
                writing.do(done.append, number)
            raise error
        assert done == ([0, 1, 2, 3] if complete else [])


def test_a_call_aside_runs_in_another_thread_and_gives_its_result():
    assert Aside(lambda a, b: (a + b, threading.current_thread().name), 2, 3).result() == (5, "aside")
    with pytest.raises(ZeroDivisionError):
        Aside(lambda: 1 / 0).result()

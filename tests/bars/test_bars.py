"""A bar on a terminal, a line now and then in a log; the clock is turned by hand."""

import io

import pytest
from tqdm import std

import bars


class Terminal(io.StringIO):
    def isatty(self):
        return True


class Clock:
    def __init__(self):
        self.now = 1000.0

    def time(self):
        return self.now


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr("bars.log.time", clock)
    monkeypatch.setattr(std, "time", clock.time)
    return clock


@pytest.fixture
def log():
    return io.StringIO()


def test_a_log_gets_a_line_now_and_then_and_one_at_the_end(clock, log):
    with bars.progress_bar(total=100, unit="img", file=log) as bar:
        for _ in range(100):
            clock.now += 1
            bar.update()
            bar.set_postfix_str("loss 1.5")
            bar.write("saved", file=io.StringIO())
    lines = log.getvalue().splitlines()
    assert len(lines) == 4 and "\r" not in log.getvalue()
    assert [line.split()[1] for line in lines] == ["30/100", "60/100", "90/100", "100/100"]
    assert "loss 1.5" in lines[-1] and "1.00img/s" in lines[-1] and "|" not in lines[-1]


def test_a_training_of_a_day_leaves_a_log_that_can_be_read(clock, log):
    with bars.progress_bar(total=10**6, initial=10, unit="img", dynamic_ncols=True, file=log) as bar:
        for _ in range(86_400):
            clock.now += 1
            bar.update(4)
    lines = log.getvalue().splitlines()
    assert 100 < len(lines) < 300 and "345610/1000000" in lines[-1]


def test_a_short_job_says_one_line_or_none(clock, log):
    assert list(bars.progress_bar(range(5), unit="face", file=log)) == [0, 1, 2, 3, 4]
    assert len(log.getvalue().splitlines()) == 1 and "5/5" in log.getvalue()
    assert list(bars.progress_bar(range(5), leave=False, file=log)) == [0, 1, 2, 3, 4]
    assert list(bars.progress_bar(range(5), disable=True, file=log)) == [0, 1, 2, 3, 4]
    assert len(log.getvalue().splitlines()) == 1


def test_a_job_that_breaks_off_says_how_far_it_came(clock, log):
    with pytest.raises(ZeroDivisionError):
        for number in bars.progress_bar([3, 2, 1, 0], leave=False, file=log):
            clock.now += 40
            1 / number  # noqa: B018
    assert "3/4" in log.getvalue().splitlines()[-1]


def test_a_stream_that_can_only_be_written_to_is_a_log(clock, log):
    class Plain:
        write = log.write

    assert list(bars.progress_bar(range(3), unit="face", file=Plain())) == [0, 1, 2]
    assert "3/3" in log.getvalue()


def test_without_stderr_nothing_is_written(monkeypatch, capsys):
    monkeypatch.setattr(bars.sys, "stderr", None)
    with bars.progress_bar(total=3, unit="face", dynamic_ncols=True) as bar:
        bar.update(3)
        bar.set_postfix_str("loss 1.5")
        bar.write("saved")
    assert list(bars.progress_bar(range(3), desc="decoding")) == [0, 1, 2]
    assert capsys.readouterr().out == "saved\n"


def test_a_terminal_keeps_its_bar():
    terminal = Terminal()
    bar = bars.progress_bar(range(3), unit="face", file=terminal)
    assert list(bar) == [0, 1, 2] and type(bar).__name__ != "LogBar"
    assert "\r" in terminal.getvalue() and "|" in terminal.getvalue()

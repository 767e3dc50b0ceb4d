"""Workers that are no training."""

import subprocess
import sys

import pytest

from sgan.launch import crew


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

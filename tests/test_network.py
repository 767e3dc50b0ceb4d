"""No command asks another machine for anything, or writes where the documentation does not say that it does."""

import json
import os
import socket
import subprocess
import sys
from pathlib import Path

import pytest
from every_command import COMMANDS, fill_desk, run_command

from faceswap.cli.main import COMMANDS as SWAPPING
from sgan.cli.main import build_parser

HERE = {"", "localhost", "127.0.0.1", "::1", socket.gethostname(), socket.getfqdn()}
WATCHED = Path(__file__).resolve().parent / "watched"
WRITABLE = ("out", "cache", "temporary")
NO_DISK = (os.devnull, "/dev/shm/", "/proc/self/")


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return fill_desk(tmp_path_factory.mktemp("desk"))


@pytest.mark.slow
@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_stays_on_this_machine_and_in_its_folders(name, desk, tmp_path):
    notes = tmp_path / "notes.jsonl"
    done = run_command(name, desk, tmp_path / "out", WATCHED, WATCHED_NOTES=str(notes))
    assert done.returncode == 0, done.stderr.decode()
    seen = [json.loads(line) for line in notes.read_text().splitlines()]
    assert {what for kind, what in seen if kind == "reach"} <= HERE
    allowed = tuple(str(tmp_path / place) for place in WRITABLE)
    written = {what for kind, what in seen if kind == "write"}
    strange = {what for what in written if not what.startswith((*allowed, *NO_DISK)) and "__pycache__" not in what}
    assert strange == set()
    # What libraries write without asking Python:
    assert [*(tmp_path / "home").rglob("*"), *(tmp_path / "elsewhere").iterdir()] == []


def test_what_leaves_the_machine_or_its_folders_is_noticed(tmp_path):
    """The watch itself, in a process and in one that it starts."""
    inner = "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM).connect(('192.0.2.1', 9))"
    outer = f"import subprocess, sys; open('x', 'w'); subprocess.run([sys.executable, '-c', {inner!r}])"
    notes = tmp_path / "notes.jsonl"
    variables = os.environ | {"PYTHONPATH": str(WATCHED), "WATCHED_NOTES": str(notes)}
    subprocess.run([sys.executable, "-c", outer], cwd=tmp_path, env=variables, check=False)
    seen = [json.loads(line) for line in notes.read_text().splitlines()]
    assert ["write", str(tmp_path / "x")] in seen and ["reach", "192.0.2.1"] in seen


def test_no_command_is_left_out():
    parsed = next(action for action in build_parser()._actions if action.dest == "command")
    words = {tuple(line.split()[1:3]) for line in COMMANDS.values()}
    assert words >= {("sgan", name) for name in parsed.choices} | {("faceswap", name) for name in SWAPPING}

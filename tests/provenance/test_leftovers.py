"""What dead processes left goes, what living ones write stays."""

import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from provenance import leftovers, remove_leftovers

ROOT = Path(__file__).resolve().parents[2]
KILLED = """
import os, signal, sys
from provenance import whole_file

with whole_file(sys.argv[1]) as file:
    file.write(b"half a picture")
    file.flush()
    if len(sys.argv) > 2:
        print("writing", flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="there a dead process cannot be told from a living one")
def test_only_what_dead_processes_left_is_removed(tmp_path, monkeypatch):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a.png")]
    subprocess.run(command, cwd=ROOT, check=False)
    (left,) = tmp_path.iterdir()
    left.with_name(f"{left.name}.mp4").touch()  # a video of the same process
    writer = subprocess.Popen([*command, "stay"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"writing\n"
    (written,) = set(tmp_path.iterdir()) - {left, left.with_name(f"{left.name}.mp4")}
    other = left.with_name(left.name.replace(left.name.split("-")[1], "0" * 8))  # of another machine
    others = [other, tmp_path / ".tmp", tmp_path / f".mine.{left.name.split('-')[2]}.tmp", tmp_path / ".ruf-notes.tmp"]
    for path in others:
        path.touch()
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == {written, *others}
    writer.communicate(b"")
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == set(others)
    remove_leftovers(tmp_path / "no such folder")


@pytest.mark.skipif(os.name == "nt", reason="there a dead process cannot be told from a living one")
def test_a_leftover_that_may_not_be_removed_stays_and_the_others_go(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "_is_running", lambda pid: False)
    theirs, *ours = (leftovers.temporary_beside(tmp_path / "a.png") for _ in range(3))
    for path in (theirs, *ours):
        path.touch()
    unlink = Path.unlink

    def refuse(path, **named):
        if path == theirs:
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, **named)

    monkeypatch.setattr(Path, "unlink", refuse)
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [theirs]


FOLDER_OF_A_KILLED = """
import os, signal
from provenance.leftovers import temporary_folder
folder = temporary_folder()
open(os.path.join(folder.name, "upload.png"), "w").close()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="there a dead process cannot be told from a living one")
def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_no_other_is(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FOLDER_OF_A_KILLED], cwd=ROOT, env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert list(left.iterdir())
    elsewhere = left.with_name(left.name.replace(left.name.split("-")[3], "0" * 8))
    others = [elsewhere, tmp_path / "random-unreal-face-notes"]
    for path in others:
        path.mkdir()
    with leftovers.temporary_folder() as first, leftovers.temporary_folder() as second:
        assert set(tmp_path.iterdir()) == {Path(first), Path(second), *others}
    assert set(tmp_path.iterdir()) == set(others)


def test_containers_of_one_name_leave_each_other_s_files(tmp_path, monkeypatch):
    """Each numbers its processes anew: the writer in the other one looks dead here."""
    monkeypatch.setattr(leftovers, "_is_running", lambda pid: False)
    number, boot = tmp_path / "pid", tmp_path / "boot"
    number.touch()
    boot.write_text("1")
    monkeypatch.setattr(leftovers, "NAMESPACE", number)
    monkeypatch.setattr(leftovers, "BOOT", boot)
    written = leftovers.temporary_beside(tmp_path / "a.png")
    written.touch()
    inside = number.stat().st_ino
    number.rename(tmp_path / "other")
    number.touch()
    assert number.stat().st_ino != inside
    remove_leftovers(tmp_path)
    assert written.exists()
    (tmp_path / "other").replace(number)
    boot.write_text("2")
    remove_leftovers(tmp_path)
    assert written.exists()
    boot.write_text("1")
    remove_leftovers(tmp_path)
    assert not written.exists()

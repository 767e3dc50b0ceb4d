"""The command for folders of photos, as a user runs it or by its `main` where that tests the same."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from commands import MODULE, ROOT, left_by_a_dead_process, run
from drawn_face import small_file

from provenance import read_mark, temporary_beside


def test_a_batch_reports_every_photo_and_the_next_makes_only_what_is_missing(photos, face, tmp_path):
    out = tmp_path / "out"
    arguments = ["batch", "--src", face, "--dst", photos, "--out", out, "--workers", 1, "--correct_color"]
    result = run(MODULE, *arguments)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("2 photos swapped, 1 no face, 1 failed; ")
    assert "left out: " in result.stderr and "bad.jpg" in result.stderr and "Traceback" not in result.stderr
    with open(out / "report.csv", encoding="utf-8-sig") as file:
        rows = {row["photo"]: row for row in csv.DictReader(file)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "a.png": "swapped",
        "bad.jpg": "failed",
        str(Path("deep", "a.jpg")): "swapped",
        "empty.bmp": "no face",
    }
    assert rows["a.png"]["faces"] == "1" and "bad.jpg" in rows["bad.jpg"]["message"]
    assert sorted(str(p.relative_to(out)) for p in out.rglob("*") if p.is_file()) == sorted(
        ["a.png", str(Path("deep", "a.jpg")), "contact_sheet.jpg", "report.csv"]
    )
    assert read_mark(out / "a.png").settings["dst"] == "a.png"
    before = (out / "a.png").stat().st_mtime_ns
    (out / "deep" / "a.jpg").unlink()
    left, written = left_by_a_dead_process(out / "deep" / "a.jpg"), temporary_beside(out / "a.png")
    written.touch()
    result = run(MODULE, *arguments)
    assert result.stdout.startswith("1 photo swapped, 1 there already, 1 no face, 1 failed; ")
    assert not left.exists() and written.exists()
    assert (out / "a.png").stat().st_mtime_ns == before


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="this system does not tell a process's children")
def test_the_processes_of_a_killed_batch_end(photos, face, tmp_path):
    out = tmp_path / "out"
    for number in range(50):  # enough to be busy with for as long as this takes
        os.link(photos / "a.png", photos / f"b{number}.png")
    command = [
        sys.executable,
        "-m",
        "faceswap",
        "batch",
        "--src",
        face,
        "--dst",
        photos,
        "--out",
        out,
        "--workers",
        "1",
    ]
    parent = subprocess.Popen(list(map(str, command)), cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    until = time.monotonic() + 120
    while not any(out.glob("*")):  # a process of the pool has written something, or begins to
        assert parent.poll() is None and time.monotonic() < until
        time.sleep(0.02)
    parent.send_signal(signal.SIGSTOP)  # so that its threads stay the same
    children = [
        pid for task in Path(f"/proc/{parent.pid}/task").iterdir() for pid in (task / "children").read_text().split()
    ]
    parent.kill()
    parent.wait()
    assert children
    while any(is_alive(pid) for pid in children):
        assert time.monotonic() < until
        time.sleep(0.05)


def is_alive(pid: str) -> bool:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()[0] != "Z"
    return False


@pytest.mark.parametrize(
    ("change", "words"),
    [({"--src": "nothing.png"}, "no such file"), ({"--dst": "nowhere"}, "no such folder"), ({"--dst": ""}, "pictures")],
)
def test_a_batch_that_cannot_start_says_why_and_writes_nothing(call_module, photos, face, tmp_path, change, words):
    empty = tmp_path / "void"
    empty.mkdir()
    given = {"--src": face, "--dst": photos} | {k: (tmp_path / v if v else empty) for k, v in change.items()}
    result = call_module("batch", *[part for pair in given.items() for part in pair], "--out", tmp_path / "out")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ") and words in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize(
    ("src", "photo", "named"),
    [
        ("out/face.png", "photos/face.png", "out/face.png"),
        ("out/contact_sheet.jpg", "photos/a.png", "out/contact_sheet.jpg"),
        ("face.png", "photos/Contact_Sheet.jpg", "out/Contact_Sheet.jpg"),
    ],
)
def test_no_result_takes_the_place_of_the_face_or_of_the_contact_sheet(call_module, tmp_path, src, photo, named):
    src, photo = small_file(tmp_path / src), small_file(tmp_path / photo)
    before = src.read_bytes()
    result = call_module("batch", "--src", src, "--dst", tmp_path / "photos", "--out", tmp_path / "out")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: {tmp_path / named}: ")
    assert src.read_bytes() == before and not (tmp_path / "out" / "report.csv").exists()

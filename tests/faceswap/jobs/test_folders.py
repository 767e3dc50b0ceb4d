"""Facts about jobs on whole folders: batches and alignment."""

import contextlib
import csv
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import workers
from drawn_face import FakeLandmarker, draw_face, place_mesh
from PIL import Image
from skimage import data

import bars
import faceswap.__main__
from faceswap.jobs import align, batch
from faceswap.media import images
from faceswap.shape.regions import LEFT_EYE, RIGHT_EYE
from faceswap.swap import Options, Swapper
from provenance import read_mark, temporary_beside

ROOT = Path(__file__).resolve().parents[3]
POINTS = place_mesh((150, 120), 50, roll=0.4)
PHOTO = draw_face(POINTS, (260, 300))


@pytest.fixture
def call(capfd):
    """A function that runs the command in this process and returns what a process would."""

    def go(*arguments):
        try:
            code = faceswap.__main__.main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return go


def run(*arguments):
    command = [sys.executable, "-m", "faceswap", *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=180, check=False)


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(data.astronaut()).save(folder / "a.png")
    Image.fromarray(np.ascontiguousarray(data.astronaut()[:, ::-1])).save(folder / "deep" / "a.jpg")
    Image.fromarray(np.full((90, 90, 3), 80, np.uint8)).save(folder / "empty.bmp")
    (folder / "bad.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture
def face(tmp_path):
    part = data.astronaut()[20:210, 130:320]
    Image.fromarray(cv2.resize(part, (96, 96), interpolation=cv2.INTER_AREA)).save(tmp_path / "face.png")
    return tmp_path / "face.png"


def left_by_a_dead_process(target: Path) -> Path:
    """What a process that was killed while it wrote `target` leaves beside it."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own = temporary_beside(target)
    path = own.with_name(own.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    path.touch()
    return path


def test_a_batch_reports_every_photo_and_the_next_makes_only_what_is_missing(photos, face, tmp_path):
    out = tmp_path / "out"
    arguments = ["batch", "--src", face, "--dst", photos, "--out", out, "--workers", 1, "--correct_color"]
    result = run(*arguments)
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
    result = run(*arguments)
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
def test_a_batch_that_cannot_start_says_why_and_writes_nothing(call, photos, face, tmp_path, change, words):
    empty = tmp_path / "void"
    empty.mkdir()
    given = {"--src": face, "--dst": photos} | {k: (tmp_path / v if v else empty) for k, v in change.items()}
    result = call("batch", *[part for pair in given.items() for part in pair], "--out", tmp_path / "out")
    assert result.returncode == 1
    assert result.stderr.startswith("error: ") and words in result.stderr and result.stderr.count("\n") == 1
    assert not (tmp_path / "out").exists()


ALL = ["--src", "a.png", "--dst", "photos", "--out", "out", "--src_face", "all"]


@pytest.mark.parametrize(
    "arguments", [["batch", "--workers", "0"], ["batch", *ALL], ["swap", *ALL], ["align", "--size", "-3"], ["dance"]]
)
def test_impossible_values_are_usage_errors(call, arguments):
    result = call(*arguments)
    assert result.returncode == 2 and "Traceback" not in result.stderr


def test_a_result_of_other_options_or_another_photo_is_made_again(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    Image.fromarray(PHOTO).save(tmp_path / "face.png")
    job = batch.Job(str(tmp_path / "face.png"), Options())
    swapper = Swapper(PHOTO, job.options, FakeLandmarker(POINTS), points=POINTS)
    status, found, swapped, _, _ = batch.swap_one(swapper, job, tmp_path / "photo.png", tmp_path / "out" / "photo.png")
    assert (status, found, swapped) == (batch.SWAPPED, 1, 1)
    known = (tmp_path, tmp_path / "photo.png", tmp_path / "out", Path("photo.png"))
    assert batch.kept_row(job, *known).status == batch.KEPT
    assert batch.kept_row(batch.Job(job.src, Options(feather=0.2)), *known) is None
    for other in ({"face": "largest"}, {"src_face": 1}, {"landmarks": "fan"}):
        assert batch.kept_row(batch.Job(job.src, Options(), **other), *known) is None
    Image.fromarray(255 - PHOTO).save(tmp_path / "photo.png")
    assert batch.kept_row(job, *known) is None


def test_one_photo_that_fails_is_a_row_and_not_an_exception(tmp_path):
    swapper = Swapper(PHOTO, Options(), FakeLandmarker(POINTS), points=POINTS)
    job = batch.Job("face.png", Options(), face=3)
    Image.fromarray(PHOTO).save(tmp_path / "photo.png")
    status, found, swapped, _, message = batch.swap_one(swapper, job, tmp_path / "photo.png", tmp_path / "o.png")
    assert (status, found, swapped) == (batch.FAILED, 1, 0) and "no face 3" in message
    assert batch.swap_one(swapper, job, tmp_path / "gone.png", tmp_path / "o.png")[0] == batch.FAILED
    assert not (tmp_path / "o.png").exists()


def test_photos_called_alike_do_not_overwrite_each_other(tmp_path):
    names = ["a.png", "a.jpg", "b.bmp", "sub/a.png"]
    (tmp_path / "sub").mkdir()
    for name in names:
        Image.fromarray(PHOTO[:8, :8]).save(tmp_path / name)
    photos = images.list_photos(tmp_path)
    results = [p.as_posix() for p in batch.result_names(tmp_path, photos)]
    assert results == ["a.jpg", "a.png", "b.png", "sub/a.png"] and len(set(results)) == 4
    assert len({p.as_posix() for p in images.plain_names(tmp_path, photos)}) == 4


@pytest.mark.parametrize(
    "names",
    [
        ["a.jpg", "a.jpg.jpg"],
        ["a.jpg", "a.png", "a.jpg.jpg"],
        ["a.bmp", "a.gif", "a.bmp.png", "a.png.png"],
        ["a.bmp", "a.png", "a.bmp.png", "a.bmp.png.png", "A.PNG.bmp"],
    ],
)
def test_no_two_photos_share_a_name_whatever_they_are_called(tmp_path, names):
    photos = [tmp_path / name for name in names]
    for made in (batch.result_names(tmp_path, photos), images.plain_names(tmp_path, photos)):
        assert len({str(name).lower() for name in made}) == len(photos)
    for photo, name in zip(photos, batch.result_names(tmp_path, photos)):
        assert name.suffix in images.OUTPUT_SUFFIXES and (name.name == photo.name or photo.suffix in (".bmp", ".gif"))


def small(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(PHOTO[:8, :8]).save(path)
    return path


@pytest.mark.parametrize(
    ("src", "photo", "named"),
    [
        ("out/face.png", "photos/face.png", "out/face.png"),
        ("out/contact_sheet.jpg", "photos/a.png", "out/contact_sheet.jpg"),
        ("face.png", "photos/Contact_Sheet.jpg", "out/Contact_Sheet.jpg"),
    ],
)
def test_no_result_takes_the_place_of_the_face_or_of_the_contact_sheet(call, tmp_path, src, photo, named):
    src, photo = small(tmp_path / src), small(tmp_path / photo)
    before = src.read_bytes()
    result = call("batch", "--src", src, "--dst", tmp_path / "photos", "--out", tmp_path / "out")
    assert result.returncode == 1 and result.stderr.count("\n") == 1
    assert result.stderr.startswith(f"error: {tmp_path / named}: ")
    assert src.read_bytes() == before and not (tmp_path / "out" / "report.csv").exists()


def test_a_file_the_caller_names_is_not_overwritten(tmp_path):
    small(tmp_path / "photos" / "a.png")
    kept, src = small(tmp_path / "out" / "a.png"), small(tmp_path / "copy.png")
    with pytest.raises(ValueError, match="overwritten"):
        batch.run_batch(batch.Job(str(src), Options()), tmp_path / "photos", tmp_path / "out", inputs=(kept,))


def test_results_below_the_photos_are_no_photos_and_may_not_lie_among_them(tmp_path):
    home = tmp_path / "photos"
    photo, inner = small(home / "a.png"), small(home / "photos" / "b.png")
    small(home / "out" / "a.png")
    assert images.list_photos(home, home / "out") == [photo, inner]
    with pytest.raises(ValueError, match="among the photos"):
        images.list_photos(home, home)
    with pytest.raises(ValueError, match="among the photos"):
        images.list_photos(home, tmp_path)  # photos/photos/b.png would become photos/b.png
    inner.unlink()
    assert photo in images.list_photos(home, tmp_path)
    photo.unlink()
    with pytest.raises(ValueError, match="beside the results"):
        images.list_photos(home, home / "out")


@pytest.mark.parametrize("command", ["batch", "align"])
def test_the_bar_counts_no_results_among_the_photos(call, tmp_path, monkeypatch, command):
    bars_made = []
    real = bars.progress_bar
    monkeypatch.setattr(bars, "progress_bar", lambda *a, **named: bars_made.append(named["total"]) or real(*a, **named))
    monkeypatch.setattr(batch, "run_batch", lambda *given: iter(()))
    small(tmp_path / "photos" / "a.png")
    small(tmp_path / "photos" / "out" / "b.png")
    home = tmp_path / "photos"
    face = ["--src", home / "a.png", "--dst"] if command == "batch" else ["--src"]
    result = call(command, *face, home, "--out", home / "out")
    assert result.returncode == 0 and bars_made == [1]


def test_a_report_holds_names_in_any_encoding(tmp_path):
    name = os.fsdecode(b"gr\xfc\xdfe.png")
    batch.write_report(tmp_path / "report.csv", [batch.Row(name, "", batch.NO_FACE, 0, 0, 0.0, "größer")])
    with open(tmp_path / "report.csv", encoding="utf-8-sig") as file:
        (row,) = csv.DictReader(file)
    assert row["photo"].startswith("gr\\udc") and row["message"] == "größer" and row["status"] == batch.NO_FACE


def test_only_the_photo_that_ends_its_process_fails(monkeypatch):
    monkeypatch.setattr(batch, "_start", str)
    monkeypatch.setattr(batch, "_work", workers.swap_or_die)
    todo = [(Path(f"{number}.png"), Path(f"{number}.png")) for number in range(7)]
    todo.insert(2, (Path("deadly.png"), Path("deadly.png")))
    rows = list(batch._in_processes("job", Path(), Path("out"), todo, 2))
    assert sorted(row.photo for row in rows) == sorted(str(photo) for photo, _ in todo)
    assert [row.photo for row in rows if row.status != batch.SWAPPED] == ["deadly.png"]


def test_no_photo_is_lost_when_no_process_can_start(monkeypatch):
    monkeypatch.setattr(batch, "_start", workers.die)
    rows = list(batch._in_processes("job", Path(), Path("out"), [(Path("a.png"), Path("a.png"))] * 2, 1))
    assert [row.status for row in rows] == [batch.FAILED] * 2


def test_there_are_as_many_processes_as_processors_this_one_may_use():
    if hasattr(os, "sched_getaffinity"):
        assert batch.processors() == len(os.sched_getaffinity(0))
    assert 1 <= batch.processors() <= os.cpu_count()


@pytest.mark.parametrize("size", [64, 256, 512])
def test_aligned_eyes_are_level_centred_and_at_ffhqs_height(size):
    cut = align.align_face(PHOTO, POINTS, size)
    assert cut.shape == (size, size, 3)
    corners = align.ffhq_square(POINTS)
    into = cv2.getAffineTransform(corners[[0, 3, 1]].astype(np.float32), np.float32([[0, 0], [size, 0], [0, size]]))
    eyes = [POINTS[list(ring), :2].mean(0) for ring in (RIGHT_EYE, LEFT_EYE)]
    right, left = ([*eye, 1] @ into.T for eye in eyes)
    assert abs(right[1] - left[1]) < 0.02 * size
    assert (right[0] + left[0]) / 2 == pytest.approx(size / 2, abs=0.03 * size)
    for x, y in (right, left):
        assert cut[int(y), int(x)].max() < 110  # the drawn pupil lies there


def test_alignment_of_an_upright_square_is_a_plain_cut():
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    points = place_mesh((100, 95), 30)
    corners = align.ffhq_square(points)
    side = np.linalg.norm(corners[3] - corners[0])
    points[:, :2] = (points[:, :2] - corners[0]) * (100 / side) + [49.5, 49.5]  # the square covers pixels 50 to 149
    assert np.abs(align.align_face(image, points, 100).astype(int) - image[50:150, 50:150]).max() <= 3


def test_what_lies_beyond_the_photo_is_mirrored():
    points = place_mesh((30, 30), 30)
    image = draw_face(points, (120, 120))
    cut = align.align_face(image, points, 128)
    assert cut.min() > 0  # no black corners
    with pytest.raises(ValueError, match="outside"):
        align.align_face(image, place_mesh((900, 900), 20), 64)


def test_align_cuts_every_face_of_a_folder(call, photos, tmp_path):
    result = call("align", "--src", photos, "--out", tmp_path / "faces", "--size", 96)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("2 squares from 4 photos in ")
    assert "1 without a face" in result.stdout and "1 unreadable" in result.stdout
    with Image.open(tmp_path / "faces" / "a-0.png") as cut:
        assert cut.size == (96, 96)
    assert (tmp_path / "faces" / "deep" / "a-0.png").exists()


def test_align_leaves_out_small_faces_and_does_nothing_twice(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "in" / "a.png")
    landmarker = FakeLandmarker(POINTS, place_mesh((40, 40), 6))
    (first,) = align.align_folder(tmp_path / "in", tmp_path / "out", 64, landmarker, smallest=40)
    assert [p.name for p in first.written] == ["a-0.png"] and first.too_small == 1
    landmarker.faces = []
    left = left_by_a_dead_process(tmp_path / "out" / "a-0.png")
    (again,) = align.align_folder(tmp_path / "in", tmp_path / "out", 64, landmarker, smallest=40)
    assert again.written == first.written and not left.exists()


def align_all(folder: Path, out: Path, landmarker, **settings) -> list[align.Aligned]:
    given = {"size": 48} | settings
    return list(align.align_folder(folder, out, landmarker=landmarker, **given))


def test_align_cuts_again_when_a_setting_or_the_photo_changes_and_leaves_no_square_of_before(tmp_path):
    home, out = tmp_path / "in", tmp_path / "out"
    home.mkdir()
    Image.fromarray(PHOTO).save(home / "a.png")
    landmarker = FakeLandmarker(POINTS, place_mesh((40, 40), 6))
    (first,) = align_all(home, out, landmarker)
    assert len(first.written) == 2
    (again,) = align_all(home, out, landmarker, size=64)
    assert again.written == first.written and images.read_image(again.written[1]).shape == (64, 64, 3)
    (again,) = align_all(home, out, landmarker, size=64, smallest=40)
    assert [p.name for p in out.iterdir()] == ["a-0.png"] and again.too_small == 1
    stamp = (out / "a-0.png").stat().st_mtime_ns
    assert align_all(home, out, landmarker, size=64, smallest=40) == [again]
    assert (out / "a-0.png").stat().st_mtime_ns == stamp
    Image.fromarray(255 - PHOTO).save(home / "a.png")
    before = images.read_image(out / "a-0.png")
    align_all(home, out, landmarker, size=64, smallest=40)
    assert (images.read_image(out / "a-0.png") != before).any()
    align_all(home, out, landmarker, smallest=10**6)
    assert not list(out.iterdir())


@pytest.mark.parametrize("name", ["a[1].png", "a*b.png", "wh?t.png", "[!x].png"])
@pytest.mark.skipif(os.name == "nt", reason="there such names cannot be")
def test_align_takes_names_that_are_patterns_and_knows_them_again(tmp_path, name):
    home, out = tmp_path / "in", tmp_path / "out"
    home.mkdir()
    for photo in (name, "a1.png", "ab.png", "what.png", "y.png"):
        Image.fromarray(PHOTO).save(home / photo)
    first = align_all(home, out, FakeLandmarker(POINTS))
    assert len({path for done in first for path in done.written}) == 5
    landmarker = FakeLandmarker()  # would find none
    assert align_all(home, out, landmarker) == first


def test_align_knows_more_than_ten_faces_again(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "in" / "a.png")
    landmarker = FakeLandmarker(*[POINTS] * 12)
    (first,) = align_all(tmp_path / "in", tmp_path / "out", landmarker)
    assert len(first.written) == 12 and align_all(tmp_path / "in", tmp_path / "out", landmarker) == [first]


def test_squares_are_no_photos_of_the_next_run(call, tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    (first,) = align_all(tmp_path, tmp_path / "out", FakeLandmarker(POINTS))
    assert align_all(tmp_path, tmp_path / "out", FakeLandmarker(POINTS)) == [first]
    result = call("align", "--src", tmp_path, "--out", tmp_path)
    assert result.returncode == 1 and "among the photos" in result.stderr and result.stderr.count("\n") == 1

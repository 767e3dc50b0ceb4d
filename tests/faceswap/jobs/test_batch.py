"""Facts about one face on a whole folder of photos."""

import csv
import os
from pathlib import Path

import pytest
import workers
from drawn_face import PHOTO, POINTS, FakeLandmarker, small_file
from PIL import Image

from faceswap.jobs import batch
from faceswap.media import images
from faceswap.swap import Options, Swapper


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


def test_a_file_the_caller_names_is_not_overwritten(tmp_path):
    small_file(tmp_path / "photos" / "a.png")
    kept, src = small_file(tmp_path / "out" / "a.png"), small_file(tmp_path / "copy.png")
    with pytest.raises(ValueError, match="overwritten"):
        batch.run_batch(batch.Job(str(src), Options()), tmp_path / "photos", tmp_path / "out", inputs=(kept,))


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

"""Facts of the report on a folder of pictures."""

import json
import zipfile

import numpy as np
import pytest
from PIL import Image

from sgan.cli.main import main
from sgan.data.inspection import inspect_pictures, to_json, to_text, write_sheet


@pytest.fixture
def folder(tmp_path):
    """Five pictures, two of them twice; one file that is none, one cut off, one of another ending."""
    rng = np.random.default_rng(0)
    root = tmp_path / "faces"
    (root / "a").mkdir(parents=True)
    (root / "b").mkdir()
    pictures = [Image.fromarray(rng.integers(0, 256, (20, 16 + 8 * i, 3), dtype=np.uint8)) for i in range(3)]
    pictures[0].save(root / "a" / "0.png")
    pictures[1].save(root / "a" / "1.png")
    pictures[2].save(root / "b" / "2.jpg")
    (root / "b" / "2 again.jpg").write_bytes((root / "b" / "2.jpg").read_bytes())
    pictures[0].save(root / "b" / "0.bmp")
    (root / "a" / "empty.png").write_bytes(b"")
    (root / "b" / "cut.jpg").write_bytes((root / "b" / "2.jpg").read_bytes()[:-60])
    (root / "notes.txt").write_text("no picture")
    return root


def test_counts_sizes_bad_files_and_duplicates(folder):
    values = to_json(inspect_pictures(folder))
    assert values["images"] == 5 and values["folders"] == {"a": 2, "b": 3}
    assert values["kinds"] == {"PNG, RGB": 2, "JPEG, RGB": 2, "BMP, RGB": 1}
    assert values["sizes"] == {"16x20": 2, "32x20": 2, "24x20": 1}
    assert values["short_side"] == {"min": 16, "median": 20, "max": 20}
    assert values["smaller_than"]["16"] == 0 and values["smaller_than"]["32"] == 5
    assert [bad["name"] for bad in values["bad"]] == ["a/empty.png", "b/cut.jpg"]
    assert "empty" in values["bad"][0]["reason"] and "truncated" in values["bad"][1]["reason"]
    assert values["same_bytes"] == [["b/2 again.jpg", "b/2.jpg"]]
    assert values["same_pixels"] == [["a/0.png", "b/0.bmp"]]
    assert values["other_files"] == {".txt": 1}


def test_duplicates_look_at_every_pixel(tmp_path):
    image = np.zeros((64, 64, 3), np.uint8)
    Image.fromarray(image).save(tmp_path / "a.png")
    image[63, 63, 2] = 1
    Image.fromarray(image).save(tmp_path / "b.png")
    Image.fromarray(image.reshape(32, 128, 3)).save(tmp_path / "c.png")  # the same numbers in another shape
    report = inspect_pictures(tmp_path)
    assert (report.same_bytes, report.same_pixels) == ([], [])


def test_turned_pictures_count_as_they_are_shown(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(image).save(tmp_path / "turned.png", exif=exif)
    Image.fromarray(np.rot90(image, -1)).save(tmp_path / "upright.png")
    report = inspect_pictures(tmp_path)
    assert report.sizes == {"8x12": 2}
    assert report.same_pixels == [["turned.png", "upright.png"]]


def test_the_text_names_everything(folder):
    text = to_text(inspect_pictures(folder))
    for part in ("5 images in 2 folders", "  a/empty.png: ", "  b/cut.jpg: ", "b/2 again.jpg = b/2.jpg", "0.bmp"):
        assert part in text


def test_a_zip_with_refused_members(folder, tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive:
        archive.write(folder / "a" / "0.png", "0.png")
        archive.write(folder / "a" / "0.png", "../1.png")
    report = inspect_pictures(tmp_path / "faces.zip")
    assert report.n_good == 1 and report.bad == [("../1.png", "its path leads out of the zip")]


def test_the_sheet_holds_what_can_be_read_and_no_mark(folder, tmp_path):
    from provenance import read_mark

    assert write_sheet(folder, tmp_path / "deep" / "sheet.png", side=16) == 5
    assert Image.open(tmp_path / "deep" / "sheet.png").size == (48, 32)
    assert read_mark(tmp_path / "deep" / "sheet.png") is None  # real people are not synthetic


def test_the_command(folder, tmp_path, capsys):
    sheet = tmp_path / "sheet.jpg"
    assert main(["inspect", str(folder), "--out", str(sheet), "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["images"] == 5 and sheet.exists()
    assert main(["inspect", str(tmp_path / "nowhere"), "--out", str(sheet)]) == 1
    assert "nowhere is not there" in capsys.readouterr().err
    assert main(["inspect", str(folder), "--out", str(tmp_path / "sheet.nothing")]) == 2
    assert "sheet.nothing" in capsys.readouterr().err

"""The command that cuts out squares, by its `main`."""

from PIL import Image


def test_align_cuts_every_face_of_a_folder(call_module, photos, tmp_path):
    result = call_module("align", "--src", photos, "--out", tmp_path / "faces", "--size", 96)
    assert result.returncode == 0, result.stderr
    assert result.stdout.startswith("2 squares from 4 photos in ")
    assert "1 without a face" in result.stdout and "1 unreadable" in result.stdout
    with Image.open(tmp_path / "faces" / "a-0.png") as cut:
        assert cut.size == (96, 96)
    assert (tmp_path / "faces" / "deep" / "a-0.png").exists()


def test_squares_are_not_put_among_the_photos(call_module, photos):
    result = call_module("align", "--src", photos, "--out", photos)
    assert result.returncode == 1 and "among the photos" in result.stderr and result.stderr.count("\n") == 1

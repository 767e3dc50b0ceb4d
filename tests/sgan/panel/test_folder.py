"""The look at a folder."""

from sgan.panel import show_folder


def test_folder_is_shown_or_what_is_wrong_with_it(pictures, tmp_path):
    shown = show_folder(pictures)
    assert "12 images in 1 folders" in shown.text and shown.picture.shape == (96, 12 * 96, 3)
    assert "No folder is chosen" in show_folder("").text
    assert f"{tmp_path / 'no'} is not" in show_folder(tmp_path / "no").text

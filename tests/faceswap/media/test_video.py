"""Facts about reading video files."""

import pytest

from faceswap.media import video


def test_files_that_are_no_video_are_named(tmp_path):
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(ValueError, match="a.mp4: cannot be read as a video"):
        video.open_video(tmp_path / "a.mp4")
    with pytest.raises(FileNotFoundError, match="no such file"):
        video.open_video(tmp_path / "b.mp4")

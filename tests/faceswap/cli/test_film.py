"""The command for videos and the webcam, as a user runs it or by its `main` where that tests the same."""

import av
import cv2
import numpy as np
import pytest
from commands import FILM, refused, run
from drawn_film import PTS, MovingLandmarker, face_at, read_video
from PIL import Image
from skimage import data

from faceswap.cli import film, window
from provenance import from_xmp


@pytest.fixture(scope="module")
def photo_clip(folder):
    """Eight frames of the photo at half size, the last two without a face."""
    photo = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    with av.open(str(folder / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        for number in range(8):
            image = photo if number < 6 else np.full_like(photo, 90)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    return folder / "in.mp4"


def test_a_video_is_swapped_and_what_was_done_is_counted(folder, photo_clip):
    out = folder / "videos" / "output.avi"
    files = ["--src_img", folder / "face.png", "--video_path", photo_clip, "--save_path", out]
    result = run(FILM, *files, "--correct_color", "--show")
    assert result.returncode == 0, result.stderr
    lines = result.stdout.splitlines()
    assert lines[0] == "no window is opened: there is no display"
    assert lines[1] == f"6 frames swapped, 2 without a face passed through, written to {out}"
    assert "8/8" in result.stderr and "Traceback" not in result.stderr
    with av.open(str(out)) as again:
        assert len(list(again.decode(video=0))) == 8


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"--video_path": "nothing.mp4"}, ["nothing.mp4", "no such file"]),
        ({"--video_path": "text.jpg"}, ["text.jpg"]),
        ({"--src_img": "empty.png"}, ["empty.png", "no face"]),
        ({"--save_path": "out.wmv"}, ["out.wmv", "unknown ending"]),
        ({"--save_path": "in.mp4"}, ["in.mp4", "overwrite"]),
        ({"--codec": "h999"}, ["h999", "encoder"]),
    ],
)
def test_bad_videos_are_named_in_one_sentence(call, folder, photo_clip, change, words):
    files = {"--src_img": "face.png", "--video_path": "in.mp4", "--save_path": "never.mp4"} | change
    result = call(*[part for pair in files.items() for part in pair], main=film.main, cwd=folder)
    assert refused(result, 1, *words)
    assert not (folder / "never.mp4").exists()


def test_without_display_or_camera_the_webcam_says_so(folder):
    assert refused(run(FILM, "--src_img", folder / "face.png"), 1, "no display", "--save_path")
    files = ["--src_img", folder / "face.png", "--save_path", folder / "cam.mp4", "--camera", 97]
    assert refused(run(FILM, *files), 1, "camera 97")
    assert not list(folder.glob("*cam*"))


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["--src_img", "a", "--video_path", "b"],
        ["--src_img", "a", "--face", "-1"],
        ["--src_img", "a", "--crf", "99"],
    ],
)
def test_usage_errors_of_the_video_command_exit_with_2(call, arguments):
    result = call(*arguments, main=film.main)
    assert result.returncode == 2 and "usage:" in result.stderr


def test_the_command_shows_every_frame_and_writes_down_all_the_result_depends_on(clip, tmp_path, monkeypatch):
    path, faces, _ = clip
    points, image = face_at(80, skin=(140, 95, 70))
    Image.fromarray(image).save(tmp_path / "face.png")
    finder, shown = MovingLandmarker([[points], *faces]), []
    monkeypatch.setattr(film, "make_landmarker", lambda *args, **named: finder)
    monkeypatch.setattr(window.Window, "show", lambda own, image, text="": shown.append(image))
    files = ["--src_img", tmp_path / "face.png", "--video_path", path, "--save_path", tmp_path / "out.mp4"]
    assert film.main([*map(str, files), "--face", "0", "--src_face", "0", "--landmarks", "fan"]) == 0
    assert len(shown) == len(PTS)
    settings = from_xmp(read_video(tmp_path / "out.mp4")[3]).settings
    assert (settings["face"], settings["src_face"], settings["landmarks"]) == (0, 0, "fan")


@pytest.mark.parametrize("flags", [["--camera", "0"], ["--virtual_camera"]])
def test_flags_of_the_camera_go_with_no_video(flags, capsys):
    with pytest.raises(SystemExit) as told:
        film.main(["--src_img", "a.png", "--video_path", "in.mp4", "--save_path", "out.mp4", *flags])
    assert told.value.code == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(f"main_video.py: error: argument {flags[0]}: not allowed with --video_path")
    )

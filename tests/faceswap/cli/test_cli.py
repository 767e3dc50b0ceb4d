"""The commands as a user runs them: in a process of their own, or by their `main` where that tests the same."""

import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

import faceswap.main
import faceswap.main_video
from provenance import COMPOSITE, GENERATED, Mark, read_mark, write_image

ROOT = Path(__file__).resolve().parents[3]
SCRIPT = ROOT / "faceswap" / "main.py"


def run(*arguments, cwd=ROOT, command=(SCRIPT,), **environment):
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH")} | environment
    line = [sys.executable, *map(str, command), *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=120, check=False)


@pytest.fixture
def call(capfd, monkeypatch):
    """A function that runs a command's `main` in this process, without a display, and returns what a process would."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def go(*arguments, main=faceswap.cli.photo.main, cwd=None):
        if cwd:
            monkeypatch.chdir(cwd)
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return go


def refused(result, code, *words):
    """The command ended with that code, one sentence on stderr that holds the words, and nothing on stdout."""
    assert result.returncode == code, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert str(word) in result.stderr
    return True


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photo, face and files that are neither."""
    path = tmp_path_factory.mktemp("pictures")
    photo = data.astronaut()
    Image.fromarray(photo).save(path / "body.png")
    face = cv2.resize(photo[20:210, 130:320, ::-1], (128, 128), interpolation=cv2.INTER_AREA)
    face = np.clip(face * [0.8, 0.7, 0.6], 0, 255).astype(np.uint8)
    write_image(path / "face.png", face, Mark(GENERATED, {"checkpoint_sha256": "abc", "seed": 7}))
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(path / "empty.png")
    (path / "text.jpg").write_text("this is no picture")
    (path / "cut.png").write_bytes((path / "body.png").read_bytes()[:5000])
    return path


def test_the_plain_command_swaps_the_face_and_says_so(folder):
    out = folder / "new" / "output.png"
    both = folder / "new" / "before_after.png"
    arguments = ["--src", folder / "face.png", "--dst", folder / "body.png", "--out", out, "--correct_color"]
    result = run(*arguments, "--no_debug_window", "--before_after", both, cwd=folder)
    assert result.returncode == 0, result.stderr
    assert result.stderr == "" and result.stdout == f"1 face swapped, written to {out} and {both}\n"
    before, after = np.array(Image.open(folder / "body.png")), np.array(Image.open(out))
    changed = (before != after).any(2)
    y, x = np.nonzero(changed)
    assert changed.sum() > 4000 and x.min() > 160 and x.max() < 290 and y.min() > 60 and y.max() < 190
    sheet = np.array(Image.open(both))
    assert sheet.shape[0] == 512 and sheet.shape[1] > 2 * 512
    np.testing.assert_array_equal(sheet[:, -512:], after)


def test_the_result_carries_how_it_was_made_and_without_a_display_no_window_is_opened(folder):
    out = folder / "marked.jpg"
    result = run("--src", folder / "face.png", "--dst", folder / "body.png", "--out", out, "--warp_2d", "--face", 0)
    assert result.returncode == 0 and result.stderr == ""
    assert result.stdout.splitlines()[0] == "no window is opened: there is no display"
    mark = read_mark(out)
    assert mark.source_type == COMPOSITE
    assert mark.settings["source"] == {"checkpoint_sha256": "abc", "seed": 7}
    assert mark.settings["src"] == "face.png" and mark.settings["dst"] == "body.png"
    assert [mark.settings[name] for name in ("face", "src_face", "landmarks")] == [0, "largest", "mesh"]
    assert mark.settings["warp_2d"] is True and mark.settings["correct_color"] is False
    assert len(mark.settings["dst_sha256"]) == 64 and str(folder) not in str(mark.settings)


def test_it_runs_as_a_module_and_a_display_that_does_not_answer_does_no_harm(folder):
    files = ["--src", "face.png", "--dst", "body.png", "--out", "c.png"]
    command = {"cwd": folder, "command": ("-m", "faceswap"), "PYTHONPATH": str(ROOT)}
    if sys.platform.startswith("linux"):
        result = run("swap", *files, **command, DISPLAY=":987")
    else:
        result = run("swap", *files, "--no_debug_window", **command)
    assert result.returncode == 0, result.stderr
    assert (folder / "c.png").exists()


@pytest.mark.parametrize(
    ("src", "dst", "words"),
    [
        ("nothing.png", "body.png", ["nothing.png", "no such file"]),
        ("face.png", "nothing.png", ["nothing.png", "no such file"]),
        ("text.jpg", "body.png", ["text.jpg", "cannot be read"]),
        ("face.png", "cut.png", ["cut.png", "cannot be read"]),
        ("empty.png", "body.png", ["empty.png", "no face"]),
        ("face.png", "empty.png", ["empty.png", "no face"]),
        (".", "body.png", ["folder"]),
    ],
)
def test_bad_inputs_are_named_in_one_sentence_and_nothing_is_written(call, folder, tmp_path, src, dst, words):
    out = tmp_path / "made" / "out.png"
    result = call("--src", folder / src, "--dst", folder / dst, "--out", out)
    assert refused(result, 1, *words)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("name", "words"), [("out.xyz", ["unknown ending", ".png"]), ("out", ["unknown ending"]), ("", ["folder"])]
)
def test_outputs_that_cannot_be_are_refused_before_the_work(call, folder, tmp_path, name, words):
    (tmp_path / "x.png").mkdir()
    out = tmp_path / (name or "x.png")
    assert refused(call("--src", folder / "face.png", "--dst", folder / "body.png", "--out", out), 1, *words)


def test_an_input_is_not_overwritten(call, folder):
    before = (folder / "body.png").read_bytes()
    result = call("--src", folder / "face.png", "--dst", folder / "body.png", "--out", folder / "body.png")
    assert refused(result, 1, "body.png", "overwrite")
    assert (folder / "body.png").read_bytes() == before


def test_a_folder_below_a_file_cannot_be_made(call, folder):
    out = folder / "text.jpg" / "deep" / "out.png"
    assert refused(call("--src", folder / "face.png", "--dst", folder / "body.png", "--out", out), 1, "text.jpg")


@pytest.mark.skipif(not sys.platform.startswith("linux"), reason="/proc is the place where nobody may write")
def test_a_folder_that_cannot_be_written_to_is_named(call, folder):
    out = "/proc/out.png"
    assert refused(call("--src", folder / "face.png", "--dst", folder / "body.png", "--out", out), 1, "/proc")


@pytest.mark.parametrize(
    "arguments", [[], ["--src", "a.png"], ["--src", "a", "--dst", "b", "--out", "c", "--nonsense"]]
)
def test_usage_errors_exit_with_2(arguments):
    result = run(*arguments)
    assert result.returncode == 2 and "usage:" in result.stderr and "Traceback" not in result.stderr


VIDEO = ROOT / "faceswap" / "main_video.py"


@pytest.fixture(scope="module")
def clip(folder):
    """Eight frames of the photo at half size, the last two without a face."""
    import av

    photo = cv2.resize(data.astronaut(), (256, 256), interpolation=cv2.INTER_AREA)
    with av.open(str(folder / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=25)
        stream.width, stream.height, stream.pix_fmt = 256, 256, "yuv420p"
        for number in range(8):
            image = photo if number < 6 else np.full_like(photo, 90)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        out.mux(stream.encode(None))
    return folder / "in.mp4"


def test_a_video_is_swapped_and_what_was_done_is_counted(folder, clip):
    import av

    out = folder / "videos" / "output.avi"
    files = ["--src_img", folder / "face.png", "--video_path", clip, "--save_path", out]
    result = run(*files, "--correct_color", "--show", command=(VIDEO,))
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
def test_bad_videos_are_named_in_one_sentence(call, folder, clip, change, words):
    files = {"--src_img": "face.png", "--video_path": "in.mp4", "--save_path": "never.mp4"} | change
    result = call(*[part for pair in files.items() for part in pair], main=faceswap.cli.film.main, cwd=folder)
    assert refused(result, 1, *words)
    assert not (folder / "never.mp4").exists()


def test_without_display_or_camera_the_webcam_says_so(folder):
    assert refused(run("--src_img", folder / "face.png", command=(VIDEO,)), 1, "no display", "--save_path")
    files = ["--src_img", folder / "face.png", "--save_path", folder / "cam.mp4", "--camera", 97]
    assert refused(run(*files, command=(VIDEO,)), 1, "camera 97")
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
    result = call(*arguments, main=faceswap.cli.film.main)
    assert result.returncode == 2 and "usage:" in result.stderr


def test_faces_are_listed_and_chosen_by_number(call, folder):
    files = ["--src", folder / "face.png", "--dst", folder / "body.png"]
    result = call("--dst", folder / "body.png", "--list_faces", folder / "list.png")
    assert result.returncode == 0 and result.stdout == f"1 face found, shown in {folder / 'list.png'}\n"
    assert np.array(Image.open(folder / "list.png")).shape == (240, 240, 3)
    result = call(*files, "--out", folder / "z.png", "--face", "1")
    assert refused(result, 1, "body.png", "no face 1", "only face 0")


@pytest.mark.parametrize(
    "wrong", [["--feather", "0.9"], ["--strength", "x"], ["--mask", "none"], ["--face", "some"], ["--src_face", "all"]]
)
def test_impossible_options_are_usage_errors(call, wrong):
    result = call("--src", "a.png", "--dst", "b.png", "--out", "c.png", *wrong)
    assert result.returncode == 2 and wrong[0] in result.stderr

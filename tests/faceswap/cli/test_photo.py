"""The command for one photo, as a user runs it or by its `main` where that tests the same."""

import sys

import numpy as np
import pytest
from commands import MODULE, PHOTO, ROOT, refused, run
from PIL import Image

from provenance import COMPOSITE, read_mark


def test_the_plain_command_swaps_the_face_and_says_so(folder):
    out = folder / "new" / "output.png"
    both = folder / "new" / "before_after.png"
    arguments = ["--src", folder / "face.png", "--dst", folder / "body.png", "--out", out, "--correct_color"]
    result = run(PHOTO, *arguments, "--no_debug_window", "--before_after", both, cwd=folder)
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
    result = run(
        PHOTO, "--src", folder / "face.png", "--dst", folder / "body.png", "--out", out, "--warp_2d", "--face", 0
    )
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
    place = {"cwd": folder, "PYTHONPATH": str(ROOT)}
    if sys.platform.startswith("linux"):
        result = run(MODULE, "swap", *files, **place, DISPLAY=":987")
    else:
        result = run(MODULE, "swap", *files, "--no_debug_window", **place)
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
    result = run(PHOTO, *arguments)
    assert result.returncode == 2 and "usage:" in result.stderr and "Traceback" not in result.stderr


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

"""The command `train`, as a user runs it: what it writes, how it goes on, what it refuses."""

import json
import shutil
import signal
import subprocess
import sys
import time

import pytest
from PIL import Image
from processes import FLAGS, ROOT, environment, one_sentence, sgan

from provenance import GENERATED, read_mark
from sgan.training.state import load_state


def test_train_writes_what_it_promises(run):
    folder, done = run
    names = {path.name for path in folder.iterdir()}
    assert {"config.json", "stats.jsonl", "losses.png", "generator.safetensors", "generator.json"} <= names
    assert list((folder / "tensorboard").glob("events.*"))
    assert "state-000000024.safetensors" in names and "grid-000000024.jpg" in names
    assert "note: r1_gamma is 0.0032 at 8 pixels: 0.0002 * 8^2 / 4" in done.stdout
    assert "16px" in done.stderr and "kimg" in done.stderr and "alpha 1.00" in done.stderr
    assert f"sample --checkpoint {folder}" in done.stdout
    rows = [json.loads(line) for line in (folder / "stats.jsonl").read_text().splitlines()]
    assert [row["iteration"] for row in rows] == [2, 4, 6]
    assert [row["resolution"] for row in rows] == [8, 16, 16]
    assert Image.open(folder / "grid-000000024.jpg").size == (96, 96)  # 6 x 6 faces of 16 pixels
    assert read_mark(folder / "grid-000000024.jpg").source_type == GENERATED


def test_the_same_command_goes_on(run, faces, tmp_path):
    folder, _ = run
    more = ["train", "--save_folder_path", folder, "--n_sample_total", 32]
    done = sgan(*more, cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert "going on after 0.024 kimg" in done.stdout
    state = load_state(folder)
    assert state.nimg == 32 and state.config.dim_latent == 8 and state.config.image_folder_path == str(faces)
    iterations = [json.loads(line)["iteration"] for line in (folder / "stats.jsonl").read_text().splitlines()]
    assert iterations == [2, 4, 6, 8]


def test_other_networks_in_the_same_folder_are_refused(run, tmp_path):
    folder, _ = run
    done = sgan("train", "--save_folder_path", folder, "--dim_latent", 16, cache=tmp_path)
    one_sentence(done, 2, "dim_latent", "16", "8", "save_folder_path")


def test_is_train_false_only_draws_the_grid(run, tmp_path):
    folder, _ = run
    before = load_state(folder).nimg
    grid = folder / f"grid-{before:09d}.jpg"
    grid.unlink()
    files = lambda: {path: path.stat().st_mtime_ns for path in folder.rglob("*") if path.is_file()}  # noqa: E731
    others = files()
    done = sgan("train", "--save_folder_path", folder, "--is_train", "False", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert grid.exists() and load_state(folder).nimg == before
    assert {path: when for path, when in files().items() if path != grid} == others, "logs are a training's"
    done = sgan("train", "--save_folder_path", tmp_path / "none", "--is_train", "False", cache=tmp_path)
    one_sentence(done, 1, "holds no state")


def test_is_continue_false_starts_anew_and_keeps_the_old_run(faces, tmp_path):
    common = ["train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "run", *FLAGS]
    assert sgan(*common, "--n_sample_total", 16, cache=tmp_path).returncode == 0
    done = sgan(*common, "--n_sample_total", 8, "--is_continue", "False", cache=tmp_path)
    assert done.returncode == 0, done.stderr
    assert load_state(tmp_path / "run").nimg == 8
    assert load_state(tmp_path / "run" / "earlier-1").nimg == 16
    done = sgan("train", "--save_folder_path", tmp_path / "run", "--n_sample_total", 12, cache=tmp_path)
    assert "going on after 0.008 kimg" in done.stdout  # starting anew was asked for once


def test_resume_from_starts_from_other_weights(run, faces, tmp_path):
    folder, _ = run
    done = sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "new", *FLAGS, "--resume_from", folder,
        "--n_sample_total", 0, cache=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    old, new = load_state(folder), load_state(tmp_path / "new")
    assert new.nimg == 0
    assert all((a == b).all() for a, b in zip(old.G.parameters(), new.G.parameters()))


def test_ctrl_c_saves_and_says_how_to_go_on(faces, tmp_path):
    command = [sys.executable, "-m", "sgan", "train", "--image_folder_path", str(faces), *FLAGS]
    command += ["--save_folder_path", str(tmp_path / "run"), "--n_sample_total", "1000000"]
    process = subprocess.Popen(
        command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment(tmp_path / "c")
    )
    deadline = time.monotonic() + 240
    stats = tmp_path / "run" / "stats.jsonl"
    while not (stats.exists() and stats.read_text().count("\n") > 3):
        assert process.poll() is None and time.monotonic() < deadline
        time.sleep(0.1)
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=240)
    assert process.returncode == 0, err
    assert "Stopped and saved" in out and "python -m sgan train" in out and "Traceback" not in err
    assert load_state(tmp_path / "run").nimg > 0


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["--max_step", "1", "--step", "3"], ["max_step", "below step 3"]),
        (["--mini_batch_size", "0"], ["mini_batch_size", "0"]),
        (["--batch_size", "64:0"], ["batch_size"]),
        (["--batch_size", "63:4"], ["63"]),
        (["--batch_size", "64:1.5"], ["batch_size", "whole number"]),
        (["--learning_rate", "inf"], ["learning_rate", "inf"]),
        (["--device", "toaster"], ["toaster"]),
        (["--device", "cuda:77"], ["cuda:77"]),
        (["--learning_rate", "fast"], ["learning_rate", "fast"]),
        (["--n_sample", "many"], ["n_sample", "many"]),
        (["--is_train", "perhaps"], ["perhaps"]),
        (["--no_such_flag"], ["no_such_flag"]),
        (["--style_mixing", "8"], ["style_mixing", "8"]),
    ],
)
def test_impossible_settings_are_usage_errors(faces, tmp_path, arguments, words):
    common = ["train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "run"]
    one_sentence(sgan(*common, *arguments, cache=tmp_path / "cache"), 2, *words)
    assert not (tmp_path / "run").exists()


def test_folders_that_cannot_be_used(faces, tmp_path):
    run = ["--save_folder_path", tmp_path / "run", *FLAGS]
    one_sentence(sgan("train", "--save_folder_path", tmp_path / "run", cache=tmp_path / "c"), 2, "image_folder_path")
    one_sentence(sgan("train", "--image_folder_path", tmp_path / "none", *run, cache=tmp_path / "c"), 1, "none")
    (tmp_path / "empty").mkdir()
    one_sentence(sgan("train", "--image_folder_path", tmp_path / "empty", *run, cache=tmp_path / "c"), 1, "no image")
    assert not (tmp_path / "run").exists()
    (tmp_path / "file").write_text("in the way")
    done = sgan(
        "train",
        "--image_folder_path",
        faces,
        "--save_folder_path",
        tmp_path / "file" / "run",
        *FLAGS,
        cache=tmp_path,
    )
    one_sentence(done, 1, tmp_path / "file")


def test_a_changed_flag_is_in_the_journal_on_disk(run, faces, tmp_path):
    shutil.copytree(run[0], tmp_path / "run")
    done = sgan(
        "train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "run", *FLAGS, "--learning_rate", 0.01,
        "--n_sample_total", 40, cache=tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    (row,) = [json.loads(line) for line in (tmp_path / "run" / "hparams.jsonl").read_text().splitlines()]
    assert row["patch"]["learning_rate"]["8"] == 0.01
    assert load_state(tmp_path / "run").journal == [row]

"""Starting is part of using: which modules a command does not import."""

import subprocess
import sys

import pytest
from processes import FLAGS, ROOT, environment

COMPILER = {"torch._dynamo"}  # 2 s
TENSORS = {"torch", "numpy", "PIL", "matplotlib", "tqdm"}
CODE = """
import sys
from sgan.cli.main import main
try:
    assert main(sys.argv[2:]) == 0
finally:
    print("imported:", *sorted(set(sys.argv[1].split()) & set(sys.modules)))
"""
HELP = [[], ["train"], ["sample"], ["convert"], ["inspect"], ["metrics"], ["show"]]


def imported(watched, *arguments, cache=""):
    """Those of the watched modules that a command has imported when it ends well."""
    command = [sys.executable, "-c", CODE, " ".join(watched), *map(str, arguments)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, env=environment(cache), check=False)
    assert done.returncode == 0, done.stderr
    return set(done.stdout.splitlines()[-1].split()[1:])


@pytest.mark.parametrize("command", HELP, ids=lambda command: " ".join(command) or "sgan")
def test_help_waits_for_no_library(command):
    assert imported(TENSORS, *command, "--help") == set()


def test_sample_imports_what_it_draws_with(checkpoint, tmp_path):
    watched = {"torch", "sympy", "matplotlib", "cv2", "tensorboardX", "skimage", "mediapipe", "av", "tqdm"} | COMPILER
    assert imported(watched, "sample", "--checkpoint", checkpoint, "--seeds", 3, "--out", tmp_path) == {"torch", "tqdm"}


def test_a_training_imports_no_compiler(faces, tmp_path):
    train = ["train", "--image_folder_path", faces, "--save_folder_path", tmp_path / "run", *FLAGS]
    found = imported(
        COMPILER | {"cv2", "skimage", "mediapipe"}, *train, "--n_sample_total", 16, cache=tmp_path / "cache"
    )
    assert found == set()

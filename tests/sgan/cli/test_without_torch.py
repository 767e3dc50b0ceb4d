"""The commands in a process where importing PyTorch fails, as with the core's packages alone."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from desk import draw_pictures
from PIL import Image

from provenance import read_mark
from sgan.faces.drawer import open_drawer
from sgan.faces.persona import make_persona, save_persona
from sgan.faces.sampling import draw_images, seeds_to_ws

ROOT = Path(__file__).resolve().parents[3]
ABSENT = ("torch", "torchvision", "tensorboardX", "onnx", "onnxruntime")
START = f"""
import runpy, sys
for name in {ABSENT}:
    sys.modules[name] = None
runpy.run_module("sgan", run_name="__main__", alter_sys=True)
"""


def run(*arguments):
    command = [sys.executable, "-c", START, *map(str, arguments)]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


def picture(path: Path) -> np.ndarray:
    return np.asarray(Image.open(path))


@pytest.fixture(scope="module")
def drawer():
    return open_drawer(ROOT / "checkpoints/faces")


def test_a_face_and_how_it_was_made(tmp_path, drawer):
    out = tmp_path / "face.png"
    said = run("sample", "--seeds", 3, "--out", out)
    assert (said.returncode, said.stderr) == (0, "") and str(out) in said.stdout
    assert np.array_equal(picture(out), next(draw_images(drawer, seeds_to_ws(drawer, [3], 0.7))))
    shown = run("show", out)
    assert json.loads(shown.stdout)["seed"] == 3 == read_mark(out).settings["seed"]


@pytest.mark.parametrize(
    "flags",
    [
        ["--style_mixing", "3", "4", "--mix_seeds", "7-8"],
        ["--edit", "light skin=1", "samples.fine.1=2", "weights.coarse.2=-1"],
        ["--noise_mode", "random", "--truncation_psi", "1", "--resolution", "64"],
    ],
    ids=["mixing", "editing", "noise"],
)
def test_what_shapes_a_face(tmp_path, flags):
    assert run("sample", "--seeds", "1-2", "--out", tmp_path / "plain").returncode == 0
    said = run("sample", "--seeds", "1-2", "--out", tmp_path / "shaped", *flags)
    assert (said.returncode, said.stderr) == (0, "")
    assert not np.array_equal(picture(tmp_path / "shaped/grid.png"), picture(tmp_path / "plain/grid.png"))


def test_a_persona(tmp_path, drawer):
    ws = seeds_to_ws(drawer, [9], 0.5)
    face = next(draw_images(drawer, ws))
    save_persona(make_persona(drawer, ws, {"seed": 9}, face), tmp_path / "ann.json")
    assert run("sample", "--persona", tmp_path / "ann.json", "--out", tmp_path).returncode == 0
    assert np.array_equal(picture(tmp_path / "ann.png"), face)


def test_pages_and_panels_of_faces():
    code = "from sgan.panel import FacePage, FacePanel, PersonPage; PersonPage(); print(FacePanel().message.value)"
    absent = f"import sys; sys.modules.update(dict.fromkeys({ABSENT})); {code}; FacePage()"
    said = subprocess.run([sys.executable, "-c", absent], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (said.returncode, said.stdout.strip()) == (0, ""), said.stderr


@pytest.mark.parametrize(
    "arguments",
    [
        ["train", "--image_folder_path", "."],
        ["metrics", "--checkpoint", "checkpoints/faces", "--image_folder_path", "."],
        ["convert", "checkpoints/faces", "other.safetensors"],
        ["sample", "--device", "cuda"],
        ["sample", "--checkpoint", "foreign.pkl"],
    ],
    ids=lambda arguments: " ".join(arguments[::2]),
)
def test_one_sentence_says_what_takes_pytorch(tmp_path, arguments):
    (tmp_path / "foreign.pkl").write_bytes(b"\x80\x02}.")
    arguments = [str(tmp_path / name) if name == "foreign.pkl" else name for name in arguments]
    said = run(*arguments)
    assert said.returncode == 1 and len(said.stderr.splitlines()) == 1, said.stderr
    assert "takes PyTorch" in said.stderr and "pip install '.[train]'" in said.stderr


def test_a_folder_is_looked_through(tmp_path):
    draw_pictures(tmp_path / "faces")
    assert run("inspect", tmp_path / "faces", "--out", tmp_path / "sheet.jpg").returncode == 0

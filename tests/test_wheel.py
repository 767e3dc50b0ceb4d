"""The project as a wheel, installed where nothing else of it is: its commands find what they need, from any folder."""

import json
import os
import shutil
import subprocess
import sys
import sysconfig
import zipfile
from pathlib import Path

import numpy as np
import pytest
from desk import other_face, photo
from PIL import Image

from provenance import read_mark

ROOT = Path(__file__).resolve().parent.parent
PARTS = ("sgan", "faceswap", "graphs", "provenance", "panels", "bars", "checkpoints/faces")
FILES = ("pyproject.toml", "README.md", "LICENSE")

pytestmark = pytest.mark.slow


def run(*command, cwd):
    """Runs a command as a user does who has no checkout."""
    own = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "DISPLAY", "WAYLAND_DISPLAY")}
    return subprocess.run([*map(str, command)], cwd=cwd, env=own, capture_output=True, text=True, check=False)


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The wheel, built from the source archive that is built first."""
    source, out = tmp_path_factory.mktemp("source"), tmp_path_factory.mktemp("dist")
    for part in PARTS:
        shutil.copytree(ROOT / part, source / part, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, source)
    done = run(sys.executable, "-m", "build", "--no-isolation", "--outdir", out, source, cwd=out)
    assert done.returncode == 0, done.stdout + done.stderr
    return next(out.glob("*.whl"))


@pytest.fixture(scope="module")
def bin_folder(wheel, tmp_path_factory):
    """The commands' folder of an environment that holds the wheel, and sees the packages of this one behind it."""
    home = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", home], check=True)
    scripts = home / ("Scripts" if os.name == "nt" else "bin")
    pip = [sys.executable, "-m", "pip", "--python", scripts / "python", "install", "--no-deps", "--no-index"]
    done = run(*pip, "--disable-pip-version-check", wheel, cwd=home)
    assert done.returncode == 0, done.stderr
    own = sysconfig.get_path("purelib", vars={"base": str(home), "platbase": str(home)})
    Path(own, "others.pth").write_text(sysconfig.get_path("purelib"), encoding="utf-8")
    return scripts


def test_it_holds_code_models_and_the_checkpoint_for_drawing(wheel):
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if ".dist-info/" not in name}
    files = {path.relative_to(ROOT).as_posix() for part in PARTS for path in (ROOT / part).rglob("*") if path.is_file()}
    ours = {name for name in files if not name.startswith("checkpoints/") and "__pycache__" not in name}
    drawing = ("generator.safetensors", "generator.json", "directions.json", "README.md")
    assert held == ours | {f"checkpoints/faces/{name}" for name in drawing}


@pytest.mark.parametrize("command", [["sgan"], ["python", "-m", "sgan"]])
def test_a_face_from_any_folder(command, bin_folder, tmp_path):
    command = [bin_folder / command[0], *command[1:]]
    done = run(*command, "sample", "--seeds", "3", "--edit", "smile=1", "--out", "face.png", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    assert read_mark(tmp_path / "face.png").settings["seed"] == 3
    shown = run(*command, "show", "face.png", cwd=tmp_path)
    assert json.loads(shown.stdout)["checkpoint"] == read_mark(tmp_path / "face.png").settings["checkpoint"]


@pytest.mark.parametrize("command", [["faceswap"], ["python", "-m", "faceswap"]])
def test_a_batch_from_any_folder(command, bin_folder, tmp_path):
    (tmp_path / "photos").mkdir()
    Image.fromarray(photo()).save(tmp_path / "photos" / "a.png")
    Image.fromarray(other_face()).save(tmp_path / "face.png")
    words = "batch --src face.png --dst photos --out out"
    done = run(bin_folder / command[0], *command[1:], *words.split(), cwd=tmp_path)
    assert done.returncode == 0 and done.stdout.startswith("1 photo swapped"), done.stderr
    assert not np.array_equal(np.asarray(Image.open(tmp_path / "out" / "a.png")), photo())

"""pyproject.toml is the one place for pins: the other files repeat it, and it covers every import on every Python."""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.specifiers import SpecifierSet

ROOT = Path(__file__).resolve().parent.parent
OURS = ("sgan", "faceswap", "graphs", "provenance", "panels", "bars")
LAB = ("train", "fan", "lab")  # what requirements.txt and environment.yml hold beside the core
ALL = (*LAB, "app", "export", "docs", "camera", "test")
PYTHONS = ["3.10", "3.11", "3.12", "3.13", "3.14"]
DISTRIBUTIONS = {"PIL": "pillow", "cv2": "opencv-python", "skimage": "scikit-image", "face_alignment": "face-alignment"}
DISTRIBUTIONS |= {"ai_edge_litert": "ai-edge-litert"}
# Those bring these:
DISTRIBUTIONS |= {"IPython": "ipykernel", "traitlets": "ipykernel", "jupyter_server": "voila", "tornado": "voila"}
DISTRIBUTIONS |= {"mkdocs": "mkdocs-material", "griffe": "mkdocstrings-python"}


def pins(*extras: str) -> list[str]:
    """Return the requirements as the set-up of `make` reads them."""
    command = [sys.executable, ".ci/pins.py", *extras]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()


def read(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def on(python: str, lines: list[str]) -> dict[str, str]:
    """Return the version of each distribution that a Python gets; fails where it would get two."""
    chosen = {}
    for requirement in map(Requirement, lines):
        if requirement.marker is None or requirement.marker.evaluate({"python_version": python}):
            assert requirement.name not in chosen, f"{requirement.name} is pinned twice for Python {python}"
            chosen[requirement.name] = str(requirement.specifier)
    return chosen


def test_requirements_file_agrees():
    lines = [line for line in read("requirements.txt").splitlines() if line and not line.startswith("#")]
    assert lines == pins(*LAB)


def test_conda_environment_agrees():
    text = read("environment.yml")
    assert re.findall(r'^      - "(.*)"$', text, re.MULTILINE) == pins(*LAB)
    python = re.search(r"^  - python (.*)$", text, re.MULTILINE).group(1)
    assert f'requires-python = "{python}"' in read("pyproject.toml")
    assert [version for version in ("3.9", *PYTHONS, "3.15") if version in SpecifierSet(python)] == PYTHONS
    assert re.search(r"^name: random-unreal-face$", text, re.MULTILINE)


@pytest.mark.parametrize("python", PYTHONS)
def test_every_python_gets_the_same_distributions_pinned(python):
    chosen = on(python, pins(*ALL))
    assert set(chosen) == set(on("3.11", pins(*ALL)))
    assert all(re.fullmatch(r"==[\w.]+", version) for version in chosen.values()), chosen


@pytest.mark.parametrize("python", PYTHONS)
def test_pins_that_must_hold(python):
    chosen = on(python, pins(*ALL))
    assert chosen["opencv-python"].startswith("==4.")  # 5.0 samples elsewhere, which moves landmarks
    assert int(chosen["ipykernel"].lstrip("=").split(".")[0]) >= 7  # cells that await stay live
    assert [name for name in chosen if "opencv" in name] == ["opencv-python"]  # any two share one folder


def test_the_core_is_small():
    """What a newcomer fetches holds no PyTorch, nor what brings it or programs for a GPU."""
    core = set(on("3.12", pins()))
    assert not core & {"torch", "torchvision", "face-alignment", "onnxruntime", "jax", "numba"}
    assert {"numpy", "safetensors", "opencv-python", "pillow", "av"} <= core


def test_no_headless_opencv_beside_the_other():
    command = [sys.executable, "-m", "pip", "list", "--format=freeze", "--disable-pip-version-check"]
    assert "headless" not in subprocess.run(command, capture_output=True, text=True, check=True).stdout


def imported_roots(folder: str) -> set[str]:
    """Return the top names that the sources of a folder import."""
    roots = set()
    for path in (ROOT / folder).rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                roots |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                roots.add(node.module.split(".")[0])
    return roots


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("sgan", ["train", "lab", "export", "judge"]),
        ("faceswap", ["train", "fan", "lab", "camera"]),
        ("graphs", []),
        ("provenance", []),
        ("panels", ["lab", "app"]),
        ("bars", []),
        ("docs", ["docs"]),
        ("tests", ALL),
    ],
)
def test_every_import_is_pinned(folder, extras):
    ours = {*OURS, *(path.stem for path in (ROOT / "tests").glob("*.py"))}
    others = imported_roots(folder) - set(sys.stdlib_module_names) - ours - {"packaging", "tomllib", "__future__"}
    assert {DISTRIBUTIONS.get(name, name) for name in others} <= set(on("3.11", pins(*extras)))


def test_whole_packages_are_packed():
    text = read("pyproject.toml")
    for package in OURS:
        assert f'"{package}*"' in re.search(r"^include = (.*)$", text, re.MULTILINE).group(1)
        data = {path for path in (ROOT / package).rglob("*") if path.is_file() and path.suffix not in (".py", ".pyc")}
        for path in data:
            folder = ".".join(path.parent.relative_to(ROOT).parts)
            assert re.search(rf'"{folder}" = \[.*"\*{path.suffix}"', text), path


def test_licence_is_apache():
    assert read("LICENSE").lstrip().startswith("Apache License\n")
    assert 'license = "Apache-2.0"' in read("pyproject.toml")

"""The notebooks as files, and run from top to bottom without a screen."""

import ast
import json
from pathlib import Path

import pytest
from desk import ROOT, TINY, make_desk, notebook_environment

from provenance import COMPOSITE, read_mark

nbformat = pytest.importorskip("nbformat", reason="nbformat is not installed")
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
each_notebook = pytest.mark.parametrize("path", NOTEBOOKS, ids=[path.stem for path in NOTEBOOKS])


def code_of(path: Path) -> list[str]:
    return [cell.source for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]


def test_there_are_two():
    assert [path.name for path in NOTEBOOKS] == ["SGAN.ipynb", "Swap.ipynb"]


@each_notebook
def test_committed_without_outputs(path):
    cells = [cell for cell in nbformat.read(path, 4).cells if cell.cell_type == "code"]
    assert not any(cell.outputs or cell.execution_count for cell in cells)
    assert path.stat().st_size < 20_000
    assert "widgets" not in json.loads(path.read_text())["metadata"]


@each_notebook
def test_holds_calls_and_prose(path):
    flag = ast.PyCF_ALLOW_TOP_LEVEL_AWAIT | ast.PyCF_ONLY_AST
    for source in code_of(path):
        for node in ast.walk(compile(source, path.name, "exec", flag)):
            assert not isinstance(node, (ast.ClassDef, ast.AsyncFunctionDef, ast.While))
            if isinstance(node, ast.FunctionDef):
                assert node.end_lineno - node.lineno < 5


@each_notebook
def test_first_cell_finds_the_root_from_anywhere_below_it(path, tmp_path, monkeypatch):
    (tmp_path / "environment.yml").touch()
    (tmp_path / "a" / "b").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "a" / "b")
    monkeypatch.syspath_prepend(str(tmp_path / "elsewhere"))  # puts sys.path back afterwards
    exec(code_of(path)[0], {})
    assert Path.cwd() == tmp_path


@each_notebook
def test_parameters_can_be_injected(path):
    tagged = [cell for cell in nbformat.read(path, 4).cells if "parameters" in cell.metadata.get("tags", [])]
    assert len(tagged) == 1
    assert all(isinstance(node, ast.Assign) for node in ast.parse(tagged[0].source).body)


def run_headless(desk: Path, name: str, monkeypatch, **parameters) -> list:
    """Executes a notebook in its folder; returns its code cells."""
    nbclient = pytest.importorskip("nbclient", reason="nbclient is not installed")
    for variable, value in notebook_environment(desk, **parameters).items():
        monkeypatch.setenv(variable, value)
    notebook = nbformat.read(desk / "notebooks" / name, 4)
    resources = {"metadata": {"path": str(desk / "notebooks")}}
    nbclient.NotebookClient(notebook, timeout=120, kernel_name="python3", resources=resources).execute()
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def texts(cells: list) -> str:
    data = [output.data for cell in cells for output in cell.outputs if "data" in output]
    return "\n".join(part["text/plain"] for part in data)


def test_train_without_a_screen(tmp_path, monkeypatch):
    desk = make_desk(tmp_path)
    settings = TINY | {"n_sample_total": 48}
    cells = run_headless(
        desk, "SGAN.ipynb", monkeypatch, image_folder_path="pictures", save_folder_path="run", settings=settings
    )
    assert "12 images" in texts(cells) and "training: done after 0.048 kimg" in texts(cells)
    assert (desk / "run" / "generator.safetensors").exists() and (desk / "run" / "losses.png").exists()
    pictures = [output for cell in cells for output in cell.outputs if "image/jpeg" in output.get("data", {})]
    assert len(pictures) == 3  # contact sheet, training, face: what is left where widgets are not shown


def test_swap_without_a_screen(tmp_path, monkeypatch):
    desk = make_desk(tmp_path)
    cells = run_headless(
        desk, "Swap.ipynb", monkeypatch, face="a face.png", body="photo.png", out="out/o.png", save=True
    )
    assert "512 x 512, 1 of 1 faces" in texts(cells)
    mark = read_mark(desk / "out" / "o.png")
    assert mark.source_type == COMPOSITE and mark.settings["src"] == "a face.png"

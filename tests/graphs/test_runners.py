"""Facts about opening and running networks: the files, threads, processes, and what the screen is told."""

import hashlib
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from graphs import Graph, open_graph
from graphs.runners import MODELS, RUNNERS, shipped_models

ROOT = Path(__file__).parents[2]
each_model = pytest.mark.parametrize("name", shipped_models())


def inputs(name, seed=0):
    random = np.random.default_rng(seed)
    return [random.random(shape, np.float32) for shape in shipped_models()[name]["inputs"]]


def test_the_list_and_the_page_name_every_file():
    files = {path.name for path in MODELS.iterdir() if path.suffix in RUNNERS}
    assert {about["file"] for about in shipped_models().values()} == files
    named = {path.name for path in MODELS.iterdir()} - {"__init__.py", "__pycache__"}
    assert named == files | {"models.json", "README.md"}
    page = (MODELS / "README.md").read_text(encoding="utf-8")
    for about in shipped_models().values():
        assert f"| `{about['file']}` |" in page and f"{about['bytes']:,}" in page and about["licence"] == "Apache-2.0"


@each_model
def test_a_model_is_what_its_authors_published_and_does_what_the_list_says(name):
    about = shipped_models()[name]
    content = (MODELS / about["file"]).read_bytes()
    assert (len(content), hashlib.sha256(content).hexdigest()) == (about["bytes"], about["sha256"])
    assert about["origin"].endswith(about["file"]) and about["authors"]
    outputs = open_graph(name)(*inputs(name))
    assert [list(output.shape) for output in outputs] == about["outputs"]
    assert all(np.isfinite(output).all() for output in outputs)


@each_model
def test_threads_get_what_one_gets(name):
    graph = Graph(MODELS / shipped_models()[name]["file"])
    wanted = [graph(*inputs(name, seed)) for seed in range(8)]
    with ThreadPoolExecutor(4) as pool:
        seen = list(pool.map(lambda seed: graph(*inputs(name, seed)), [*range(8)] * 3))
    for number, outputs in enumerate(seen):
        assert all(map(np.array_equal, outputs, wanted[number % 8]))
    assert 1 <= len(graph._idle) <= 4


def test_an_input_that_does_not_fit_is_refused_and_harms_nothing():
    graph = Graph(MODELS / "face_landmark.tflite")
    wanted = graph(*inputs("face_landmark"))
    with pytest.raises(ValueError):
        graph(np.zeros((1, 10, 10, 3), np.float32))
    with pytest.raises(ValueError):
        graph()
    assert all(map(np.array_equal, graph(*inputs("face_landmark")), wanted))


@pytest.mark.parametrize("suffix", RUNNERS)
def test_every_runner_says_what_is_wrong_with_a_file(suffix, tmp_path):
    about = next(about for about in shipped_models().values() if about["file"].endswith(suffix))
    content = (MODELS / about["file"]).read_bytes()
    for name, part in (("empty", b""), ("page", b"<html>not found</html>"), ("half", content[: len(content) // 2])):
        path = tmp_path / f"{name}{suffix}"
        path.write_bytes(part)
        with pytest.raises(ValueError, match=f"{name}{suffix}: not a whole network file"):
            Graph(path)(*(np.zeros(shape, np.float32) for shape in about["inputs"]))
    with pytest.raises(FileNotFoundError, match="none"):
        Graph(tmp_path / f"none{suffix}")()
    assert RUNNERS[suffix].help


def test_what_is_unknown_is_refused_with_what_there_is():
    with pytest.raises(ValueError, match="unknown network 'face'; there are .*face_landmark"):
        open_graph("face")
    with pytest.raises(ValueError, match=r"model.pt: no network file; their names end in .*\.tflite"):
        Graph(Path("model.pt"))


PROCESSES = """
import multiprocessing, sys
sys.path.insert(0, "tests")
from known_faces import crops
from graphs.facemesh import MeshNetwork
import workers
if __name__ == "__main__":
    crop = crops()[0]
    wanted = MeshNetwork()(crop).tobytes()
    for way in multiprocessing.get_all_start_methods():
        with multiprocessing.get_context(way).Pool(2) as pool:
            assert all(seen == wanted for seen in pool.map(workers.mesh_of, [crop] * 6)), way
    print("alike")
"""


def test_processes_get_what_their_parent_gets_and_the_screen_is_told_nothing(tmp_path):
    script = tmp_path / "processes.py"
    script.write_text(PROCESSES, encoding="utf-8")
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")])}
    command = [sys.executable, str(script)]
    said = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=120, check=False)
    assert (said.returncode, said.stdout, said.stderr) == (0, "alike\n", "")

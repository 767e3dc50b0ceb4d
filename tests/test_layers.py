"""The floor plan: who may import whom, read from the sources, and what importing a module may not do.

A new module gets its place in FLOORS. It may import from lower floors, and from its own as long as no circle arises.
"""

import ast
import graphlib
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From top to bottom. What is not written yet may stand here already.
FLOORS = {
    "sgan": [
        {"__init__", "__main__"},
        {"main", "main_sample", "main_convert", "main_judge", "main_progress"}
        | {"panel", "panel_train", "panel_faces", "panel_form", "panel_walk", "panel_nearest", "panel_text"}
        | {"panel_checks", "panel_page", "panel_export", "panel_class", "panel_candidates"},
        {"judging", "inspection", "editing", "persona", "walk", "nearest", "launch", "spawn", "crew"},
        {"sampling", "loop", "resume", "step", "arithmetic", "meter", "rescue", "logs", "record", "occupation"},
        {"state", "export"},
        {"formats"},
        {"foreign", "nvidia"},
        {"metrics"},
        {"features"},
        {"networks", "discriminator", "stylegan", "torchfile", "ziptable", "unpickle", "data", "augment", "losses"},
        {"cache"},
        {"pictures"},
        {"events", "ops", "config", "viz", "archive", "workers"},
    ],
    "faceswap": [
        {"__init__", "__main__"},
        {"main", "main_video", "panel", "panel_job", "panel_match", "panel_video", "panel_page", "panel_command"},
        {"video", "encoder", "batch", "match", "align"},
        {"swap", "tracking"},
        {"landmarks", "detection", "warp", "mask", "skin", "colour", "grain", "blending", "frame", "sheet", "preview"},
        {"regions", "geometry", "images", "pipeline", "graphs"},
    ],
    "provenance": [{"__init__"}, {"files"}, {"xmp", "gif"}, {"mark", "leftovers"}],
    "panels": [{"serve"}, {"__init__"}],
    "bars": [{"__init__"}],
}
LEAVES = {"provenance", "panels", "bars"}
WINGS = {"sgan": LEAVES, "faceswap": LEAVES} | {leaf: set() for leaf in LEAVES}  # what a package may import of ours
COMMANDS = {"main", "main_sample", "main_convert", "main_judge", "main_video", "__main__"}


def package_modules(package: str) -> dict[str, Path]:
    """Return the modules of a package by name; a package is flat."""
    return {
        path.relative_to(ROOT / package).with_suffix("").as_posix(): path for path in (ROOT / package).rglob("*.py")
    }


ALL_MODULES = [(package, name) for package in FLOORS for name in sorted(package_modules(package))]
each_module = pytest.mark.parametrize(("package", "name"), ALL_MODULES, ids=[f"{p}.{n}" for p, n in ALL_MODULES])


def parse(package: str, name: str) -> ast.Module:
    return ast.parse(package_modules(package)[name].read_text(encoding="utf-8"))


def walk_running(tree: ast.AST):
    """Yield every node of the code that runs, which leaves out `if TYPE_CHECKING:`."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            for other in node.orelse:
                yield other
                yield from walk_running(other)
            continue
        yield node
        yield from walk_running(node)


def imported_names(tree: ast.AST, package: str) -> set[str]:
    """Return all dotted names imported anywhere in a module of that flat package.

    `from p import q` gives p.q, whether q is a module or not; `from . import q` gives package.q.
    """
    names = set()
    for node in walk_running(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [package if node.level else "", node.module]))
            names |= {f"{base}.{alias.name}" for alias in node.names}
    return names


def own_imports(tree: ast.AST, package: str) -> set[str]:
    """Return the modules of its own package that a module imports, `__init__` for names of the package itself."""
    known = set.union(*FLOORS[package])
    parts = [name.split(".") for name in imported_names(tree, package)]
    found = {(part + ["__init__"])[1] for part in parts if part[0] == package}
    return {name if name in known else "__init__" for name in found}


def floor_of(package: str, name: str) -> int:
    """Return the floor's number, 0 on top."""
    found = [number for number, floor in enumerate(FLOORS[package]) if name in floor]
    assert found, f"{package}/{name}.py: give it a place in FLOORS"
    return found[0]


def imports_upwards(package: str, name: str, tree: ast.AST) -> set[str]:
    """Return what a module imports from above its own floor."""
    return {other for other in own_imports(tree, package) if floor_of(package, other) < floor_of(package, name)}


def calls_exit(tree: ast.AST) -> bool:
    """Return whether code ends the program itself."""
    exits = {"sys.exit", "exit", "quit", "os._exit", "SystemExit"}
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    raised = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc)
    return any(ast.unparse(node) in exits for node in [*calls, *raised])


@each_module
def test_module_has_a_floor(package, name):
    assert name in set.union(*FLOORS[package]), f"{package}/{name}.py: give it a place in FLOORS"


@each_module
def test_imports_point_down(package, name):
    assert not imports_upwards(package, name, parse(package, name))


@pytest.mark.parametrize("package", FLOORS)
def test_no_circles(package):
    graph = {name: own_imports(parse(package, name), package) for name in package_modules(package)}
    list(graphlib.TopologicalSorter(graph).static_order())  # CycleError names the circle


@each_module
def test_wings_are_apart(package, name):
    roots = {imported.split(".")[0] for imported in imported_names(parse(package, name), package)}
    assert (roots & set(FLOORS)) <= WINGS[package] | {package}
    if package == "provenance":
        assert roots <= {"provenance", "PIL", *sys.stdlib_module_names}


@each_module
def test_screens_and_command_lines_stay_at_the_top(package, name):
    tree = parse(package, name)
    roots = {imported.split(".")[0] for imported in imported_names(tree, package)}
    if package != "panels" and not name.startswith("panel"):
        assert not roots & {"ipywidgets", "IPython", "panels"}
    if name not in COMMANDS:
        assert "argparse" not in roots
        assert not calls_exit(tree)


IMPORT_ALL = """
import importlib, os, sys, tempfile

class Argv(list):
    def refuse(self, *_):
        raise AssertionError("it reads sys.argv")
    __getitem__ = __iter__ = __len__ = refuse

def refuse_network(event, args):
    if event in ("socket.connect", "socket.getaddrinfo"):
        raise AssertionError("it opens a connection")

def watch(module, name, what):
    def refuse(*_, **__):
        raise AssertionError(what)
    setattr(module, name, refuse)

package, *names = sys.argv[1:]
import cv2, matplotlib
if package == "sgan":
    import torch, safetensors.torch
    watch(torch, "load", "it loads weights")
    watch(safetensors.torch, "load_file", "it loads weights")
    watch(torch.nn.Module, "__init__", "it builds a network")
for name in ("imshow", "namedWindow", "VideoCapture"):
    watch(cv2, name, "it opens a window or a camera")
sys.argv = Argv()
sys.addaudithook(refuse_network)
answer = os.dup(1)
with tempfile.TemporaryFile() as heard:
    os.dup2(heard.fileno(), 1), os.dup2(heard.fileno(), 2)
    for name in names:
        try:
            importlib.import_module(package if name == "__init__" else f"{package}.{name}")
            sys.stdout.flush(), sys.stderr.flush()
            heard.seek(0)
            said = heard.read().decode(errors="replace")
        except BaseException as error:
            said = repr(error)
        if said:
            os.write(answer, f"{package}.{name}: {said}\\n".encode())
            os._exit(1)
"""


@pytest.mark.parametrize("package", FLOORS)
def test_importing_does_nothing(package):
    names = sorted(package_modules(package), key=lambda name: -floor_of(package, name))
    command = [sys.executable, "-c", IMPORT_ALL, package, *names]
    result = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=300, check=False)
    assert (result.returncode, result.stdout) == (0, ""), result.stderr


def test_provenance_brings_no_heavy_library():
    code = "import provenance, sys; print({'torch', 'cv2', 'numpy', 'mediapipe'} & set(sys.modules))"
    said = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert said.strip() == "set()"


@pytest.mark.parametrize(
    ("name", "source", "upwards"),
    [
        ("loop", "from sgan import losses, viz", set()),
        ("loop", "import sgan.state", set()),
        ("loop", "def f():\n    from sgan.main import main", {"main"}),
        ("state", "from . import loop", {"loop"}),
        ("state", "from .loop import train", {"loop"}),
        ("ops", "from sgan import Generator", {"__init__"}),
        ("ops", "import sgan", {"__init__"}),
        ("ops", "if TYPE_CHECKING:\n    from sgan.loop import train", set()),
        ("ops", "import sganlike.loop", set()),
    ],
)
def test_the_check_itself_sees_imports(name, source, upwards):
    assert imports_upwards("sgan", name, ast.parse(source)) == upwards


@pytest.mark.parametrize("source", ["import sys\nsys.exit(1)", "raise SystemExit", "raise SystemExit(2)", "exit()"])
def test_the_check_itself_sees_exits(source):
    assert calls_exit(ast.parse(source))
    assert not calls_exit(ast.parse("import sys\nsys.stdout.write('')"))

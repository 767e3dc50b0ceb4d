"""The floor plan, read from the sources: which folder may import which, and how large files and functions may be.

A new folder gets its place in FLOORS: it may import from the folders on lower floors of its package only.
"""

import ast
import graphlib
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

# From top to bottom; a name is a folder, or a file on the package's top.
FLOORS = {
    "sgan": [
        {"__init__", "__main__"},
        {"cli", "panel"},
        {"launch"},
        {"judging"},
        {"training", "faces"},
        {"weights"},
        {"networks", "data"},
        {"events", "viz", "presets"},
        {"config"},
    ],
    "faceswap": [
        {"__init__", "__main__", "main", "main_video"},
        {"cli", "panel"},
        {"jobs"},
        {"swap"},
        {"options"},
        {"blend"},
        {"tone"},
        {"find"},
        {"shape", "media"},
    ],
    "graphs": [{"__init__"}, {"facemesh"}, {"blazeface"}, {"runners", "squares"}, {"silence", "models", "layers"}],
    "provenance": [{"__init__"}, {"files"}, {"gif"}, {"xmp"}, {"mark", "leftovers"}],
    "panels": [{"serve"}, {"pages"}, {"parts"}, {"messages", "pictures", "work"}, {"__init__"}],
    "bars": [{"__init__"}, {"log"}],
}
LEAVES = {"graphs", "provenance", "panels", "bars"}
WINGS = {leaf: set() for leaf in LEAVES} | {"sgan": LEAVES, "faceswap": LEAVES, "panels": {"bars"}}  # may import these
SCREENS = {"ipywidgets", "IPython", "panels"}

MODULES = {
    ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__"): path
    for package in FLOORS
    for path in sorted((ROOT / package).rglob("*.py"))
}
each_module = pytest.mark.parametrize("name", MODULES)


def parse(name: str) -> ast.Module:
    return ast.parse(MODULES[name].read_text(encoding="utf-8"))


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


def imported_names(tree: ast.AST) -> set[str]:
    """Return all dotted names a module imports anywhere; `from p import q` gives p.q, whether q is a module or not."""
    names = set()
    for node in walk_running(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert not node.level, "imports name the package"
            names |= {f"{node.module}.{alias.name}" for alias in node.names}
    return names


def place_of(name: str) -> tuple[str, str]:
    """Return (package, folder or file on its top) of a module or of a name in one."""
    package, _, rest = name.partition(".")
    first = rest.partition(".")[0]
    return package, first if any(first in floor for floor in FLOORS[package]) else "__init__"


def floor_of(package: str, place: str) -> int:
    """Return the floor's number, 0 on top."""
    return next(number for number, floor in enumerate(FLOORS[package]) if place in floor)


def imports_upwards(name: str, tree: ast.AST) -> set[str]:
    """Return what a module imports of its own package that is not on a lower floor, nor in its own folder."""
    package, place = place_of(name)
    own = {place_of(other)[1] for other in imported_names(tree) if other.split(".")[0] == package} - {place}
    return {other for other in own if floor_of(package, other) <= floor_of(package, place)}


def calls_exit(tree: ast.AST) -> bool:
    """Return whether code ends the program itself."""
    exits = {"sys.exit", "exit", "quit", "os._exit", "SystemExit"}
    calls = (node.func for node in ast.walk(tree) if isinstance(node, ast.Call))
    raised = (node.exc for node in ast.walk(tree) if isinstance(node, ast.Raise) and node.exc)
    return any(ast.unparse(node) in exits for node in [*calls, *raised])


def test_every_folder_has_a_floor():
    for package, floors in FLOORS.items():
        found = {
            path.stem for path in (ROOT / package).iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()
        }
        assert found == set.union(*floors)


@each_module
def test_imports_point_down(name):
    assert not imports_upwards(name, parse(name))


def test_no_circles():
    graph = {name: {other for other in imported_names(parse(name)) if other in MODULES} for name in MODULES}
    for name, found in graph.items():
        found |= {other.rpartition(".")[0] for other in imported_names(parse(name))} & set(MODULES) - {name}
    list(graphlib.TopologicalSorter(graph).static_order())  # CycleError names the circle


def imported_places(folder: str) -> set[str]:
    """Return what the modules of a folder import of ours: folders and files of their package, other packages."""
    names = [name for name, path in MODULES.items() if path.parent == ROOT / folder]
    ours = [other for name in names for other in imported_names(parse(name)) if other.split(".")[0] in FLOORS]
    package, _, own = folder.partition("/")
    places = {place_of(other)[1] if other.split(".")[0] == package else other.split(".")[0] for other in ours}
    return places - {own.split("/")[0]}


@pytest.mark.parametrize("folder", sorted({path.parent.relative_to(ROOT).as_posix() for path in MODULES.values()}))
def test_folders_are_small_and_say_what_lives_there(folder):
    """The second paragraph of a folder's docstring names what it imports, or says "anything"."""
    files = [path.stem for path in (ROOT / folder).glob("*.py") if not path.stem.startswith("__")]
    package, *inner = folder.split("/")
    assert len(files) <= 10
    if inner:
        lives, _, imports = ast.get_docstring(parse(folder.replace("/", "."))).partition("\n\n")
        assert len(lives) > 40 and not [file for file in files if file.startswith(f"{inner[-1]}_")]
        assert "anything" in imports or all(re.search(rf"\b{place}\b", imports) for place in imported_places(folder))


@each_module
def test_files_and_functions_are_short(name):
    functions = [node for node in ast.walk(parse(name)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    assert MODULES[name].read_text(encoding="utf-8").count("\n") <= 350
    assert not [node.name for node in functions if node.end_lineno - node.lineno >= 40]


@each_module
def test_wings_are_apart(name):
    package = name.split(".")[0]
    roots = {imported.split(".")[0] for imported in imported_names(parse(name))}
    assert (roots & set(FLOORS)) <= WINGS[package] | {package}
    if package == "provenance":
        assert roots <= {"provenance", "PIL", *sys.stdlib_module_names}


@each_module
def test_screens_and_command_lines_stay_at_the_top(name):
    tree, (package, place) = parse(name), place_of(name)
    roots = {imported.split(".")[0] for imported in imported_names(tree)}
    if package != "panels" and place != "panel":
        assert not roots & SCREENS
    if place not in ("cli", "__main__", "main", "main_video", "serve"):
        assert "argparse" not in roots
        assert not calls_exit(tree)


@pytest.mark.parametrize(
    ("name", "source", "upwards"),
    [
        ("sgan.training.loop", "from sgan.training import losses\nfrom sgan import viz", set()),
        ("sgan.training.loop", "import sgan.weights.checkpoint", set()),
        ("sgan.training.loop", "def f():\n    from sgan.cli.main import main", {"cli"}),
        ("sgan.weights.convert", "from sgan.training import state", {"training"}),
        ("sgan.training.loop", "from sgan.faces.walk import walk", {"faces"}),
        ("sgan.networks.ops", "from sgan import Generator", {"__init__"}),
        ("sgan.networks.ops", "import sgan", {"__init__"}),
        ("sgan.networks.ops", "if TYPE_CHECKING:\n    from sgan.training.loop import train", set()),
        ("sgan.networks.ops", "import sganlike.loop", set()),
    ],
)
def test_the_check_itself_sees_imports(name, source, upwards):
    assert imports_upwards(name, ast.parse(source)) == upwards


@pytest.mark.parametrize("source", ["import sys\nsys.exit(1)", "raise SystemExit", "raise SystemExit(2)", "exit()"])
def test_the_check_itself_sees_exits(source):
    assert calls_exit(ast.parse(source))
    assert not calls_exit(ast.parse("import sys\nsys.stdout.write('')"))

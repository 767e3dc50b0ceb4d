"""The set-up behind `make`, tried on a small copy of the project whose dependencies are empty wheels on the disk."""

import os
import shlex
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
TOOLS = [
    "date",
    "sh",
    "cat",
    "dirname",
    "grep",
    "sleep",
    "rm",
    "mkdir",
    "head",
    "tail",
    "find",
    "wc",
    "tr",
    "sed",
    "uname",
    "id",
]
PYPROJECT = """[project]
name = "small"
dependencies = ["scikit-image=={version}"]
[project.optional-dependencies]
train = ["small-train==1.0"]
fan = []
lab = ["small-lab==1.0"]
app = []
export = []
docs = []
test = ["small-test==1.0"]
"""
# Stand-ins for the two commands: they write what the real ones would, and the arguments they were given.
SAMPLE = """import pathlib, sys
pathlib.Path("results").mkdir(exist_ok=True)
pathlib.Path("results/face.png").write_text("\\n".join(sys.argv[1:]))
"""
SWAP = """import pathlib, sys
pathlib.Path("results/output.jpg").write_text("\\n".join(sys.argv[1:]))
"""


def make_wheel(folder: Path, name: str, version: str, files: dict[str, str]) -> None:
    """Write a wheel that holds these files."""
    info = f"{name}-{version}.dist-info"
    files = files | {
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: test\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    record = "".join(f"{path},,\n" for path in [*files, f"{info}/RECORD"])
    with zipfile.ZipFile(folder / f"{name}-{version}-py3-none-any.whl", "w") as wheel:
        for path, text in (files | {f"{info}/RECORD": record}).items():
            wheel.writestr(path, text)


class Project:
    """A small copy of the project in a folder of its own."""

    def __init__(self, folder: Path, wheels: Path, python: str):
        self.folder, self.wheels, self.python = folder, wheels, python
        shutil.copytree(ROOT / ".ci", folder / ".ci")
        shutil.copy(ROOT / "Makefile", folder)
        (folder / "sgan").mkdir()
        (folder / "sgan" / "__main__.py").write_text(SAMPLE)
        (folder / "faceswap").mkdir()
        (folder / "faceswap" / "main.py").write_text(SWAP)
        self.pin("1.0")

    def pin(self, version: str) -> None:
        (self.folder / "pyproject.toml").write_text(PYPROJECT.format(version=version))

    def environment(self, **changes: str) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "MAKE", "MFLAGS"))}
        offline = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(self.wheels)}
        base = {"PYTHON": self.python, "PYTHONDONTWRITEBYTECODE": "1"}
        return kept | offline | base | {"BODY": "", "SEED": ""} | changes

    def run(self, *command: str, **changes: str) -> subprocess.CompletedProcess:
        environment = self.environment(**changes)
        return subprocess.run(
            command, cwd=self.folder, env=environment, capture_output=True, text=True, timeout=120, check=False
        )

    def setup(self, profile: str = "runtime", **changes: str) -> subprocess.CompletedProcess:
        return self.run("sh", ".ci/setup", profile, **changes)

    def installed(self) -> set[str]:
        found = (self.folder / ".venv").glob("lib/python*/site-packages/*.dist-info")
        return {path.name.removesuffix(".dist-info") for path in found} - {f"pip-{_pip_version(self.folder)}"}


def _pip_version(folder: Path) -> str:
    found = next((folder / ".venv").glob("lib/python*/site-packages/pip-*.dist-info"))
    return found.name.removeprefix("pip-").removesuffix(".dist-info")


def said(result: subprocess.CompletedProcess) -> str:
    """Return the one sentence a failed command ended with; fails if there was no failure or no single sentence."""
    assert result.returncode != 0, result.stdout
    lines = [line for line in result.stderr.splitlines() if not line.startswith("make: ***")]
    assert len(lines) == 1, result.stderr
    return lines[0]


@pytest.fixture(scope="module")
def wheels(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheels")
    for version in ("1.0", "2.0"):
        make_wheel(folder, "scikit_image", version, {"skimage/data/astronaut.png": "x", "skimage/__init__.py": ""})
    make_wheel(folder, "small_train", "1.0", {"small_train.py": ""})
    make_wheel(folder, "small_lab", "1.0", {"small_lab.py": ""})
    make_wheel(folder, "small_test", "1.0", {"small_test.py": ""})
    return folder


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """A Python whose `-m venv` copies an environment made once, which is ten times as fast as making one."""
    folder = tmp_path_factory.mktemp("python")
    subprocess.run([sys.executable, "-m", "venv", folder / "venv"], check=True)
    subprocess.run([folder / "venv" / "bin" / "python", "-m", "compileall", "-q", folder / "venv" / "lib"], check=True)
    copy = f'[ "$1 $2" != "-m venv" ] || exec cp -Rp {folder}/venv/. "$3"'
    write_program(folder / "python", f'{copy}\nexec {shlex.quote(sys.executable)} "$@"')
    return str(folder / "python")


@pytest.fixture
def fresh(tmp_path, wheels, python):
    """A clone nobody has set up yet; the folder's name is one that scripts trip over."""
    folder = tmp_path / "my project's copy"
    folder.mkdir()
    return Project(folder, wheels, python)


@pytest.fixture(scope="module")
def shared(tmp_path_factory, wheels, python):
    project = Project(tmp_path_factory.mktemp("project"), wheels, python)
    assert project.setup().returncode == 0
    return project


@pytest.fixture
def ready(shared):
    """A project that is set up for the demo; tests may damage its .venv, as the next one mends it."""
    shared.pin("1.0")
    result = shared.setup()
    assert result.returncode == 0, result.stderr
    return shared


def test_first_run_installs_and_the_second_has_nothing_to_do(fresh):
    first = fresh.setup()
    assert (first.returncode, first.stderr) == (0, "")
    assert "scikit_image-1.0" in fresh.installed()
    assert not {"small_train-1.0", "small_lab-1.0", "small_test-1.0"} & fresh.installed()  # the demo needs the core
    begin = time.monotonic()
    second = fresh.setup()
    assert (second.returncode, second.stdout, second.stderr) == (0, "", "")
    assert time.monotonic() - begin < 5
    fresh.setup("app")
    assert "small_lab-1.0" in fresh.installed() and "small_train-1.0" not in fresh.installed()
    fresh.setup("lab")
    assert "small_train-1.0" in fresh.installed() and "small_test-1.0" not in fresh.installed()
    assert fresh.setup("test").returncode == 0
    assert "small_test-1.0" in fresh.installed()
    assert [fresh.setup(profile).stdout for profile in ("runtime", "lab", "app", "docs", "test")] == [""] * 5


def test_changed_pins_are_installed(ready):
    ready.pin("2.0")
    assert ready.setup().returncode == 0
    assert "scikit_image-2.0" in ready.installed()


def break_interpreter(venv: Path) -> None:
    for path in (venv / "bin").glob("python*"):
        path.unlink()
    (venv / "bin" / "python").symlink_to("/nowhere/python3")


def remove_package(venv: Path) -> None:
    for path in venv.glob("lib/python*/site-packages/scikit_image*"):
        shutil.rmtree(path)


def remove_libraries(venv: Path) -> None:
    shutil.rmtree(venv / "lib")


def kill_while_unpacking(venv: Path) -> None:
    (venv / "ready-runtime").unlink()
    (venv / "setup-running").write_text("42\n")
    (venv / "setup.log").write_text("Collecting scikit-image\nInstalling collected packages: scikit-image\n")
    next(venv.glob("lib/python*/site-packages/skimage/__init__.py")).unlink()


def kill_while_fetching(venv: Path) -> None:
    remove_package(venv)
    (venv / "ready-runtime").unlink()
    (venv / "setup-running").write_text("42\n")
    (venv / "setup.log").write_text("Collecting scikit-image\n")


def replace_by_file(venv: Path) -> None:
    shutil.rmtree(venv)
    venv.write_text("")


DAMAGES = [
    break_interpreter,
    remove_package,
    remove_libraries,
    kill_while_unpacking,
    kill_while_fetching,
    replace_by_file,
]


@pytest.mark.parametrize("damage", DAMAGES, ids=lambda damage: damage.__name__)
def test_the_next_run_mends(ready, damage):
    damage(ready.folder / ".venv")
    result = ready.setup()
    assert (result.returncode, result.stderr) == (0, ""), result.stdout
    assert list((ready.folder / ".venv").glob("lib/python*/site-packages/skimage/__init__.py"))
    assert ready.setup().stdout == ""


@pytest.mark.parametrize("seconds", [0.3, 1.5])
def test_killed_at_any_moment(fresh, seconds):
    command = ["sh", ".ci/setup", "runtime"]
    run = subprocess.Popen(
        command, cwd=fresh.folder, env=fresh.environment(), stdout=subprocess.DEVNULL, start_new_session=True
    )
    time.sleep(seconds)
    os.killpg(run.pid, signal.SIGKILL)
    run.wait()
    assert fresh.setup().returncode == 0
    assert "scikit_image-1.0" in fresh.installed()
    assert fresh.setup().stdout == ""


def test_stopped_by_the_user(fresh):
    command = ["sh", ".ci/setup", "runtime"]
    run = subprocess.Popen(command, cwd=fresh.folder, env=fresh.environment(), stderr=subprocess.PIPE, text=True)
    time.sleep(0.7)
    run.send_signal(signal.SIGTERM)
    assert run.communicate(timeout=20)[1] == "Stopped; run make again to go on.\n"
    assert run.returncode != 0


def test_moved_folder(fresh):
    assert fresh.setup().returncode == 0
    fresh.folder = fresh.folder.rename(fresh.folder.with_name("moved"))
    result = fresh.setup()
    assert result.returncode == 0
    assert "was made in another folder" in result.stdout
    assert fresh.setup().stdout == ""


def test_no_network(ready):
    remove_package(ready.folder / ".venv")
    dead = {"PIP_NO_INDEX": "", "PIP_FIND_LINKS": "", "PIP_INDEX_URL": "http://127.0.0.1:9/simple", "PIP_RETRIES": "0"}
    sentence = said(ready.setup(**dead))
    assert sentence.startswith("The packages could not be fetched: no network")
    assert ready.setup().returncode == 0


def test_a_package_that_is_not_offered(ready):
    ready.pin("9.0")
    assert said(ready.setup()).startswith("scikit-image==9.0 is not offered for ")


def test_two_at_a_time(ready):
    marker = ready.folder / ".venv" / "setup-running"
    done = threading.Event()

    def beat() -> None:
        while not done.wait(0.5):
            marker.write_text(str(time.monotonic()))

    other = threading.Thread(target=beat)
    other.start()
    time.sleep(0.7)
    result = ready.setup()
    done.set()
    other.join()
    assert said(result).startswith("Another make is setting up .venv")


def link_tools(folder: Path) -> Path:
    """Return a folder that holds what a script needs, and no Python."""
    folder.mkdir()
    for tool in TOOLS:
        (folder / tool).symlink_to(shutil.which(tool))
    return folder


def write_program(path: Path, text: str) -> None:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(0o755)


def test_no_suitable_python(fresh, tmp_path):
    tools = link_tools(tmp_path / "bin")
    write_program(tools / "python3.12", "echo 'shim: command not found' >&2; exit 127")
    write_program(tools / "python3", "exit 1")  # too old
    assert said(fresh.setup(PATH=str(tools), PYTHON="")).startswith("No Python 3.10 to 3.14")
    assert not (fresh.folder / ".venv").exists()


def test_python_without_venv(fresh, tmp_path):
    tools = link_tools(tmp_path / "bin")
    write_program(tools / "python3", 'case "$*" in *ensurepip*) exit 1 ;; esac; exit 0')
    sentence = said(fresh.setup(PATH=str(tools), PYTHON=""))
    assert sentence.startswith("python3 has no venv module; install it")
    assert "has no venv module" in said(fresh.setup(PATH=str(tools), PYTHON="python3"))


def test_a_shim_that_fails_is_passed_over(fresh, tmp_path):
    tools = link_tools(tmp_path / "bin")
    write_program(tools / "python3.12", "echo 'shim: command not found' >&2; exit 127")
    write_program(tools / "python3", f'exec {shlex.quote(fresh.python)} "$@"')
    (tools / "cp").symlink_to(shutil.which("cp"))
    assert fresh.setup(PATH=str(tools), PYTHON="").returncode == 0
    assert "scikit_image-1.0" in fresh.installed()


@pytest.mark.parametrize("python", ["nonsense", "/nowhere/python3.12", "false"])
def test_python_named_by_the_user_must_run(fresh, python):
    assert said(fresh.setup(PYTHON=python)).startswith(f"PYTHON={python} does not run as a 64-bit Python")


def test_unknown_profile(fresh):
    assert fresh.setup("nonsense").returncode == 2


def demo_arguments(project: Project) -> tuple[list[str], list[str]]:
    """Return what the two commands of the demo were given."""
    results = project.folder / "results"
    return (results / "face.png").read_text().split("\n"), (results / "output.jpg").read_text().split("\n")


def test_demo_runs_the_two_commands_it_prints(ready):
    body = ready.folder / "it's a photo $1.jpg"
    body.write_text("")
    result = ready.run("make", "demo", "SEED=12", BODY=body.name)
    assert (result.returncode, result.stderr) == (0, "")
    typed = [shlex.split(line[2:]) for line in result.stdout.splitlines() if line.startswith("$ ")]
    sample, swap = demo_arguments(ready)
    assert typed == [[".venv/bin/python", "-m", "sgan", *sample], [".venv/bin/python", "faceswap/main.py", *swap]]
    assert sample[sample.index("--seeds") + 1] == "12"
    assert sample[sample.index("--checkpoint") + 1] == "checkpoints/faces"
    assert swap[swap.index("--dst") + 1] == body.name
    assert swap[swap.index("--src") + 1] == sample[sample.index("--out") + 1] == "results/face.png"
    for name in ("face.png", "output.jpg", "before_after.png"):
        assert f"results/{name}" in result.stdout.rpartition("$ ")[2]


def test_demo_has_a_photo_and_a_seed_of_its_own(ready):
    assert ready.run("make", "demo").returncode == 0
    sample, swap = demo_arguments(ready)
    assert sample[sample.index("--seeds") + 1] == "31"
    assert (ready.folder / swap[swap.index("--dst") + 1]).read_text() == "x"


def test_demo_of_a_missing_photo_says_so_at_once(fresh):
    assert said(fresh.run("make", "demo", "BODY=none.jpg")).startswith("There is no photo none.jpg")
    assert not (fresh.folder / ".venv").exists()


@pytest.mark.parametrize("script", ["sgan/__main__.py", "faceswap/main.py"])
def test_demo_stops_where_a_command_fails(ready, script):
    path = ready.folder / script
    text = path.read_text()
    path.write_text("import sys\nsys.exit('one sentence')\n")
    result = ready.run("make", "demo")
    path.write_text(text)
    assert said(result) == "one sentence"
    assert "The pictures:" not in result.stdout


def test_make_alone_names_all_targets(fresh):
    listed = fresh.run("make").stdout
    assert all(f"make {target}" in listed for target in ("demo", "lab", "app", "docs", "test", "clean"))


def test_clean_keeps_pictures_and_checkpoints(ready):
    for name in ("results/face.png", "checkpoints/faces/config.json", "sgan/__pycache__/x.pyc"):
        (ready.folder / name).parent.mkdir(parents=True, exist_ok=True)
        (ready.folder / name).write_text("x")
    assert ready.run("make", "clean").returncode == 0
    assert (ready.folder / "results" / "face.png").exists()
    assert (ready.folder / "checkpoints" / "faces" / "config.json").exists()
    assert not (ready.folder / ".venv").exists()
    assert not (ready.folder / "sgan" / "__pycache__").exists()

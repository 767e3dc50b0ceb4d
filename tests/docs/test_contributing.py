"""The examples of CONTRIBUTING.md, each put where it says: offered by its command, taken by the tests of its table."""

import os
import subprocess
import sys

import pytest
from example import EXAMPLES
from manual import ROOT

# The tests that hold for every entry of the table, the name that the new one gets there, and a command that offers it.
SEEN = {
    "A blend": ("tests/faceswap/blend/test_blends.py", "thin", "python faceswap/main.py"),
    "A weight format": ("tests/sgan/weights/test_convert.py", "npz", "python -m sgan convert"),
    "A metric": ("tests/sgan/judging/test_measures.py", "lightness", "python -m sgan metrics"),
    "A preset": ("tests/sgan/test_presets.py", "taste", "python -m sgan train"),
    "A panel tab": ("tests/sgan/panel/tabs/test_tabs.py", "Mirror", None),
}


def run(heading: str, *command: str) -> str:
    """What a Python says that has the example."""
    path = os.pathsep.join([str(ROOT), str(ROOT / "tests")])
    environment = os.environ | {"EXAMPLE": heading, "PYTHONPATH": path}
    command = [sys.executable, *command]
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True, timeout=300, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_there_are_five():
    assert set(EXAMPLES) == set(SEEN)


@pytest.mark.parametrize("heading", SEEN)
def test_an_example_is_tested_unasked(heading):
    tests, name, _ = SEEN[heading]
    said = run(heading, "-m", "pytest", "-q", "-p", "example", "-p", "no:cacheprovider", tests, "-k", name)
    assert " passed" in said and "failed" not in said


@pytest.mark.parametrize("heading", [heading for heading, (*_, command) in SEEN.items() if command])
def test_an_example_is_offered_by_its_command(heading):
    _, name, command = SEEN[heading]
    code = f"import example; from manual import hooks; print(hooks.parser_of({command!r}).format_help())"
    assert name in run(heading, "-c", code)


def test_every_example_is_what_ruff_would_have(tmp_path):
    for number, (_, code) in enumerate(EXAMPLES.values()):
        (tmp_path / f"example_{number}.py").write_text(code)
    settings = ["--config", str(ROOT / "pyproject.toml")]
    for command in (["format", "--check"], ["check", "--ignore", "F821"]):  # names of the module that it is put into
        done = subprocess.run(
            [sys.executable, "-m", "ruff", *command, *settings, str(tmp_path)],
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stdout + done.stderr

"""The commands with what Windows lacks taken away, on a console that knows only western letters.

What cannot be taken away here, such as its paths, is tested where they are parsed.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from every_command import COMMANDS, fill_desk, run_command

WINDOWS = Path(__file__).resolve().parent / "windows"
CONSOLE = {"PYTHONIOENCODING": "cp1252", "PYTHONUTF8": "0", "PYTHONWARNDEFAULTENCODING": "1"}


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    return fill_desk(tmp_path_factory.mktemp("책상"))


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in COMMANDS if name != "pages"])  # Jupyter asks which system it is
def test_a_command_on_windows(name, desk, tmp_path):
    out = tmp_path / "결과"
    done = run_command(name, desk, out, WINDOWS, **CONSOLE)
    assert done.returncode == 0, done.stderr.decode("cp1252")
    assert b"Traceback" not in done.stderr
    assert [*tmp_path.rglob(".ruf-*"), *(tmp_path / "temporary").glob("random-unreal-face-*")] == []


@pytest.mark.parametrize(
    "act",
    [
        "os.replace('new', 'kept')",
        "pathlib.Path('new').replace('kept')",
        "pathlib.Path('kept').rename('newer')",
        "os.remove('kept')",
        "os.open('.', os.O_RDONLY)",
        "os.fork()",
        "importlib.import_module('fcntl')",
    ],
)
def test_what_windows_refuses_is_refused(act, tmp_path):
    """The stand-in itself, with a file that is open, and one that is not."""
    code = f"import importlib, os, pathlib; open('new', 'w').close(); kept = open('kept', 'w'); {act}"
    variables = os.environ | {"PYTHONPATH": str(WINDOWS)}
    done = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, env=variables, capture_output=True, check=False)
    assert done.returncode == 1
    assert any(error in done.stderr for error in (b"PermissionError", b"AttributeError", b"ModuleNotFoundError"))
    assert (tmp_path / "kept").exists() and (tmp_path / "new").exists()

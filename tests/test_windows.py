"""The commands with what Windows lacks taken away, on a console that knows only western letters.

What cannot be taken away here, such as its paths, is tested where they are parsed.
"""

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
    assert not list(tmp_path.rglob(".ruf-*")) and not list((tmp_path / "temporary").iterdir())

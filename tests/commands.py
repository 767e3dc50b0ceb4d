"""The commands of faceswap as a user runs them, and what they say when something is wrong."""

import os
import subprocess
import sys
from pathlib import Path

from provenance import temporary_beside

ROOT = Path(__file__).resolve().parent.parent
PHOTO, FILM, MODULE = (ROOT / "faceswap" / "main.py",), (ROOT / "faceswap" / "main_video.py",), ("-m", "faceswap")


def run(command, *arguments, cwd=ROOT, **environment):
    """Runs PHOTO, FILM or MODULE in a process of its own, without a display."""
    env = {k: v for k, v in os.environ.items() if k not in ("DISPLAY", "WAYLAND_DISPLAY", "PYTHONPATH")} | environment
    line = [sys.executable, *map(str, command), *map(str, arguments)]
    return subprocess.run(line, cwd=cwd, env=env, capture_output=True, text=True, timeout=180, check=False)


def refused(result, code, *words):
    """The command ended with that code, one sentence on stderr that holds the words, and nothing on stdout."""
    assert result.returncode == code, result.stderr
    assert result.stderr.startswith("error: ") and result.stderr.count("\n") == 1
    assert "Traceback" not in result.stderr
    for word in words:
        assert str(word) in result.stderr
    return True


def left_by_a_dead_process(target: Path) -> Path:
    """What a process that was killed while it wrote `target` leaves beside it."""
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    own = temporary_beside(target)
    path = own.with_name(own.name.replace(f"-{os.getpid()}-", f"-{dead.pid}-"))
    path.touch()
    return path

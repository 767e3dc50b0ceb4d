"""What every command says: how far it is, and in one sentence what went wrong.

Progress is a bar on a terminal and in a notebook, in a log a plain line now and then. A leaf: it needs tqdm, at first
use, and nothing of the other packages.
"""

import sys
from typing import Any


def allow_any_text() -> None:
    """Has what stdout cannot encode escaped, as stderr does: consoles of Windows know some letters, paths have all."""
    if getattr(sys.stdout, "errors", None) == "strict":
        sys.stdout.reconfigure(errors="backslashreplace")


def progress_bar(*arguments: Any, **named: Any) -> Any:
    """A tqdm with these arguments, which writes as `LogBar` says when stderr (or `file`) is no terminal.

    Without any stderr it writes nothing.
    """
    from tqdm import auto

    from bars.log import LogBar

    stream = named.get("file") or sys.stderr
    on_screen = auto.notebook_tqdm is not auto.std_tqdm or getattr(stream, "isatty", lambda: False)()
    quiet = {"disable": True} if stream is None else {}
    return (auto.tqdm if on_screen else LogBar)(*arguments, **named | quiet)


def one_sentence(error: BaseException) -> str:
    """An exception's message on one line, with the file where it has one."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__

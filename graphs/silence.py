"""Keeps what native libraries write to the error stream off the screen."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from threading import Lock

_lock, _silence, _users = Lock(), contextlib.ExitStack(), 0


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Keeps native libraries' chatter off the screen: file descriptor 2 goes nowhere, `sys.stderr` stays as it was.

    They write to the descriptor itself, from threads of their own and before any setting can reach them. Several may
    be entered before one is left, in any thread, and left in any order: jobs of the panels overlap.
    """
    global _users
    with _lock:
        if not _users:
            _silence.enter_context(_redirect_stderr())
        _users += 1
    try:
        yield
    finally:
        with _lock:
            _users -= 1
            if not _users:
                _silence.close()


@contextlib.contextmanager
def _redirect_stderr() -> Iterator[None]:
    try:
        kept = os.dup(2)
    except OSError:  # started without a standard error
        yield
        return
    stderr = sys.stderr
    if stderr is not None:  # as it is when Python found none at its start
        stderr.flush()
        encoding = getattr(stderr, "encoding", None) or "utf-8"
        sys.stderr = os.fdopen(kept, "w", buffering=1, encoding=encoding, errors="backslashreplace", closefd=False)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        sys.stderr = stderr

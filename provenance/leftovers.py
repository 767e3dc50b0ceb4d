"""Temporary files beside their targets, named so that what a killed process left there can be told and removed."""

import os
import re
import secrets
import socket
import zlib
from pathlib import Path

NAME = re.compile(r"\.ruf-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}\.tmp(\.\w+)?")  # machine, process, chance


def temporary_beside(target: str | os.PathLike[str], ending: str = "") -> Path:
    """A new hidden path in the folder of `target`, to be written and then renamed to it.

    ending: such as ".mp4", for a writer that goes by it.
    """
    return Path(target).with_name(f".ruf-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.tmp{ending}")


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Removes the temporary files of this machine's dead processes from a folder, not from those below it.

    What another machine writes into a shared folder stays, since nobody here knows whether it lives.
    """
    for path in Path(folder).glob(".ruf-*.tmp*"):
        parts = NAME.fullmatch(path.name)
        if parts and parts[1] == _machine() and not _is_running(int(parts[2])):
            path.unlink(missing_ok=True)


def _machine() -> str:
    """8 hexadecimal digits of this machine's name."""
    return f"{zlib.crc32(socket.gethostname().encode()):08x}"


def _is_running(pid: int) -> bool:
    if os.name == "nt":  # there the signal 0 is Ctrl-C
        return True
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):
        return False
    except OSError:  # another user's
        return True
    return True

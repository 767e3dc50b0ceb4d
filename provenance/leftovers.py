"""Temporary files and folders, named so that what a killed process left there can be told and removed."""

import os
import re
import secrets
import shutil
import socket
import tempfile
import zlib
from contextlib import suppress
from pathlib import Path

NAME = re.compile(r"\.ruf-([0-9a-f]{8})-([0-9]+)-[0-9a-f]{16}\.tmp(\.\w+)?")  # machine, process, chance
FOLDER = re.compile(r"random-unreal-face-([0-9a-f]{8})-([0-9]+)-\w+")  # machine, process, chance
NAMESPACE = Path("/proc/self/ns/pid")  # within which numbers of processes count
OUTERMOST = 0xEFFFFFFC  # that namespace's number on every Linux, where processes are in no container
BOOT = Path("/proc/sys/kernel/random/boot_id")


def temporary_beside(target: str | os.PathLike[str], ending: str = "") -> Path:
    """A new hidden path in the folder of `target`, to be written and then renamed to it.

    ending: such as ".mp4", for a writer that goes by it.
    """
    return Path(target).with_name(f".ruf-{_machine()}-{os.getpid()}-{secrets.token_hex(8)}.tmp{ending}")


def remove_leftovers(folder: str | os.PathLike[str]) -> None:
    """Removes the temporary files of this machine's dead processes from a folder, not from those below it.

    What another machine or container writes into a shared folder stays, since nobody here knows whether it lives; and
    so does what may not be removed, such as another user's.
    """
    for path in Path(folder).glob(".ruf-*.tmp*"):
        if _is_left(NAME.fullmatch(path.name)):
            with suppress(OSError):
                path.unlink()


def temporary_folder() -> tempfile.TemporaryDirectory:
    """A new folder among the system's temporary ones; what this machine's dead processes left there is removed."""
    for path in Path(tempfile.gettempdir()).glob("random-unreal-face-*"):
        if _is_left(FOLDER.fullmatch(path.name)):
            shutil.rmtree(path, ignore_errors=True)  # it follows no links
    return tempfile.TemporaryDirectory(prefix=f"random-unreal-face-{_machine()}-{os.getpid()}-")


def _is_left(parts: re.Match[str] | None) -> bool:
    """Whether a name is ours, with a process of this machine (1, 2) that has ended."""
    return parts is not None and parts[1] == _machine() and not _is_running(int(parts[2]))


def _machine() -> str:
    """8 hexadecimal digits of this machine's name, in a container of the container too."""
    name = socket.gethostname()
    with suppress(OSError):  # no Linux
        # Containers may have the machine's name, or each other's, and do not see each other's processes: what lives in
        # one looks dead in another. Outside of them the name alone counts, so that leftovers are known after a restart.
        if (number := NAMESPACE.stat().st_ino) != OUTERMOST:
            name += f" {number}"
            name += BOOT.read_text(encoding="utf-8")  # since the number may come again
    return f"{zlib.crc32(name.encode()):08x}"


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

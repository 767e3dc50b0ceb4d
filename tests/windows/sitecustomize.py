"""Run first by every Python that has this folder on PYTHONPATH: takes away what Windows lacks, as far as that can be.

Missing are modules, functions and signals of POSIX; files that are open, in this process or mapped into its memory,
are not replaced, renamed or removed; folders cannot be opened; the project may open no text without its encoding.
"""

import os
import shutil
import signal
import sys
import tempfile
import warnings

for name in ("fcntl", "pwd", "grp", "resource", "termios"):
    sys.modules[name] = None
for name in ("fork", "forkpty", "getuid", "geteuid", "getgid", "sched_getaffinity", "killpg", "O_DIRECTORY"):
    delattr(os, name)
del signal.SIGHUP
shutil._use_fd_functions = False  # Python's own use of open folders
warnings.filterwarnings("error", category=EncodingWarning, module=r"(sgan|faceswap|graphs|provenance|panels|bars)\b")


def is_open(path):
    real = os.path.realpath(path)
    handles = (os.path.join("/proc/self/fd", number) for number in os.listdir("/proc/self/fd"))
    if any(os.path.realpath(handle) == real for handle in handles):
        return True
    with open("/proc/self/maps", encoding="utf-8") as maps:
        return any(line.rstrip("\n").endswith(f" {real}") for line in maps)


class Guarded:
    """A function of `os` that refuses paths that are open; an object, since pathlib keeps such functions in a class."""

    def __init__(self, function, n_paths, may_replace=True):
        self.function, self.n_paths, self.may_replace = function, n_paths, may_replace

    def __call__(self, *arguments, **named):
        for path in arguments[: self.n_paths]:
            if named.get("dir_fd") is None and is_open(path):
                raise PermissionError(13, "it is used by another process", os.fspath(path))
        if not self.may_replace and os.path.exists(arguments[1]):
            raise FileExistsError(17, "it is there already", os.fspath(arguments[1]))
        return self.function(*arguments, **named)


def open_file(path, *arguments, **named):
    if not isinstance(path, int) and os.path.isdir(path):
        raise PermissionError(13, "it is a folder", os.fspath(path))
    return open_any(path, *arguments, **named)


open_any, os.open = os.open, open_file
os.replace, os.rename = Guarded(os.replace, 2), Guarded(os.rename, 2, may_replace=False)
os.remove, os.unlink = Guarded(os.remove, 1), Guarded(os.unlink, 1)
tempfile._os.unlink = os.unlink

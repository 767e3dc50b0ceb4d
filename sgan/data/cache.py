"""Pictures decoded once: a folder of memory-mapped uint8 files, one for each resolution, shared by all runs.

`CACHE/<picture folder>/<resolution>-<fingerprint>/` holds index.json and <size>.u8, uint8 [n, size, size, 3]. A file
lock per picture folder lets one run build while others wait; a shared lock on index.json says that a cache is in use.
"""

import contextlib
import errno
import hashlib
import json
import os
import shutil
import socket
import tempfile
import warnings
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from sgan.config import default_cache_dir
from sgan.data.archive import DataError, Entry, Source
from sgan.data.pictures import decode_image

try:
    import fcntl
except ImportError:  # Windows: runs that build at once decode twice, and the first to end wins
    fcntl = None

CACHE_VERSION = 2
MIN_SIZE = 4
CORES = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
WORKERS = min(CORES, 16)
AHEAD = 4 * WORKERS  # pictures decoded and not yet written: what bounds the memory
FULL = {errno.ENOSPC, errno.EDQUOT}
CHOOSE = "set RANDOM_UNREAL_FACE_CACHE to a folder"


def cache_folder(source: Source, resolution: int, cache_dir: str | Path | None) -> Path:
    """Where the cache of a source lies or will lie: another folder whenever a name, size or time changes."""
    root = os.fsencode(source.path.resolve())
    digest = hashlib.sha256(f"{CACHE_VERSION}\n".encode())
    for entry in source.entries:
        name = entry.name.encode(errors="surrogateescape")
        digest.update(b"%b\0%d\0%d\n" % (name, entry.size, entry.stamp))
    home = Path(cache_dir or default_cache_dir()) / hashlib.sha256(root).hexdigest()[:16]
    return home / f"{resolution}-{digest.hexdigest()[:16]}"


class Hold:
    """A shared lock on an open file for as long as this object lives."""

    def __init__(self, path: Path):
        self.file = open(path, encoding="utf-8")  # noqa: SIM115 - it stays open
        with contextlib.suppress(OSError):
            if fcntl:
                fcntl.flock(self.file, fcntl.LOCK_SH)

    def __del__(self):
        if hasattr(self, "file"):
            self.file.close()


def read_cache(where: Path) -> tuple[dict[str, Any], dict[int, np.ndarray], Hold] | None:
    """(index, {size: uint8 [n, size, size, 3]}, what keeps it from being removed); None when absent or damaged."""
    try:
        hold = Hold(where / "index.json")
        index = json.load(hold.file)
        pixels, n = {}, len(index["names"])
        for size in index["sizes"] if n else []:
            path, shape = where / f"{size}.u8", (n, size, size, 3)
            if path.stat().st_size != np.prod(shape):
                return None
            pixels[size] = np.asarray(np.memmap(path, np.uint8, "r", shape=shape))  # a plain view slices faster
    except (OSError, ValueError, KeyError, TypeError):
        return None
    return index, pixels, hold


def build_cache(source: Source, resolution: int, where: Path, progress: Callable[[Sequence], Sequence]) -> None:
    """Decodes a source into `where`, unless another run has done so meanwhile; removes caches that it replaces.

    Written beside and renamed when whole. DataError saying what to do when the cache folder cannot be written or the
    disk is full.
    """
    home = where.parent
    try:
        home.mkdir(parents=True, exist_ok=True)
        with _building_alone(home) as alone:
            if read_cache(where) is not None:
                return
            if alone:
                _sweep(home, ".building-" + _host())
            _check_room(home, len(source.entries), _sizes(resolution))
            with tempfile.TemporaryDirectory(dir=home, prefix=f".building-{_host()}-") as building:
                _write(source, resolution, Path(building), progress)
                _put_in_place(Path(building), where)
            for old in home.glob(f"{resolution}-*"):
                if old != where:
                    _remove_unused(old)
    except OSError as error:
        raise DataError(_advice(home, error)) from None


def _advice(home: Path, error: OSError) -> str:
    if error.errno in FULL:
        return f"the disk is full: the picture cache in {home} cannot be finished; make room, or {CHOOSE} with more"
    return f"the picture cache in {home} cannot be written ({error.strerror or error}); {CHOOSE} that can"


def _host() -> str:
    return "".join(c for c in socket.gethostname() if c.isalnum()) or "host"


def _sizes(resolution: int) -> list[int]:
    """The resolution and its halvings down to MIN_SIZE."""
    sizes = [resolution]
    while sizes[-1] > MIN_SIZE:
        sizes.append(sizes[-1] // 2)
    return sizes


def _check_room(home: Path, n: int, sizes: Sequence[int]) -> None:
    need, free = n * sum(3 * size * size for size in sizes), shutil.disk_usage(home).free
    if need > free:
        raise DataError(
            f"the picture cache of {n} images at {sizes[0]} needs {_amount(need)}, but {home} has {_amount(free)} "
            f"free; make room, or {CHOOSE} with more"
        )


def _amount(n_bytes: int) -> str:
    return f"{n_bytes / 1e9:.1f} GB" if n_bytes >= 1e9 else f"{n_bytes / 1e6:.1f} MB"


@contextlib.contextmanager
def _building_alone(home: Path) -> Iterator[bool]:
    """Waits until no other run builds below `home`; yields whether that is certain. A killed run leaves no lock."""
    with open(home / "lock", "wb") as file:
        try:
            alone = fcntl is not None
            if alone:
                fcntl.flock(file, fcntl.LOCK_EX)
        except OSError:  # a network disk without locks
            alone = False
        yield alone


def _sweep(home: Path, prefix: str) -> None:
    """Removes what killed runs of this machine left behind."""
    for left in home.glob(f"{prefix}-*"):
        shutil.rmtree(left, ignore_errors=True)


def _remove_unused(old: Path) -> None:
    """Removes a cache unless a run still has it open; first out of sight, so that no run finds half of it."""
    with contextlib.suppress(OSError), open(old / "index.json", "rb") as file:
        if fcntl:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        aside = old.with_name(f".building-{_host()}-old-{old.name}")
        os.rename(old, aside)
        shutil.rmtree(aside, ignore_errors=True)


def _put_in_place(building: Path, where: Path) -> None:
    if where.exists() and read_cache(where) is None:  # damaged
        shutil.rmtree(where)
    try:
        os.rename(building, where)
    except OSError:
        if read_cache(where) is None:  # else another run was first: use its
            raise
    else:
        building.mkdir()  # for TemporaryDirectory to remove


def _write(source: Source, resolution: int, building: Path, progress: Callable[[Sequence], Sequence]) -> None:
    """Writes index.json and one file per size, picture by picture."""
    sizes, names = _sizes(resolution), []
    bad = [(name, f"{name} is left out ({reason})") for name, reason in source.refused]
    with contextlib.ExitStack() as stack:
        files = [stack.enter_context(open(building / f"{size}.u8", "wb")) for size in sizes]
        decoded = stack.enter_context(contextlib.closing(decode_all(source.entries, resolution)))
        for i in progress(range(len(source.entries))):
            levels = next(decoded)
            if isinstance(levels, str):
                bad.append((source.entries[i].name, levels))
                continue
            names.append(source.entries[i].name)
            for file, level in zip(files, levels, strict=True):
                file.write(level.data)
        for file in files:
            file.flush()
            os.fsync(file.fileno())
    index = {"names": names, "bad": bad, "sizes": sizes}
    (building / "index.json").write_text(json.dumps(index), encoding="utf-8")


def decode_all(entries: Sequence[Entry], resolution: int) -> Iterator[list[np.ndarray] | str]:
    """For each entry in order its pyramid, or why it has none; a few are decoded ahead by a pool of threads."""

    def load(entry: Entry) -> list[np.ndarray] | str:
        try:
            return pyramid(decode_image(entry, resolution))
        except DataError as error:
            return str(error)

    return map_ahead(load, entries)


def map_ahead(function: Callable, items: Sequence) -> Iterator:
    """map() by a pool of threads that is never more than AHEAD items before the consumer; Pillow warns of nothing."""
    with warnings.catch_warnings(), ThreadPoolExecutor(WORKERS) as pool:
        warnings.filterwarnings("ignore", module=r"PIL\.")
        waiting: deque = deque()
        try:
            for item in items:
                waiting.append(pool.submit(function, item))
                if len(waiting) >= AHEAD:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def pyramid(image: np.ndarray) -> list[np.ndarray]:
    """uint8 [R, R, 3] and every halving of it (2x2 mean, rounded) down to MIN_SIZE."""
    levels = [np.ascontiguousarray(image)]
    while len(levels[-1]) > MIN_SIZE:
        half = len(levels[-1]) // 2
        quads = levels[-1].reshape(half, 2, half, 2, 3)
        levels.append(((quads.astype(np.uint16).sum(axis=(1, 3)) + 2) // 4).astype(np.uint8))
    return levels

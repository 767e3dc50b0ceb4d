"""A folder or zip of pictures as uint8 batches: decoded once into a memory-mapped cache, drawn in a known order."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path

import numpy as np

from sgan.config import TrainConfig, resolution_of
from sgan.data.archive import DataError, Entry, open_source, printable
from sgan.data.cache import build_cache, cache_folder, read_cache

ROUND_SLOTS = 120  # draws in a round where every group's share is at least one of them
SMALLEST_COUNT = 8  # draws of the smallest group in a longer round, so that rounding moves no share by more than 1/16
MAX_SLOTS = 10_000 * ROUND_SLOTS  # of a round: 10 MB of numbers
TRIES = 3  # of opening a cache that another run may just be replacing


def list_images(folder: str | Path) -> list[Path | Entry]:
    """Image files below `folder` or in that zip, sorted by their path; DataError when there is none.

    Either kind has a `parent` and can be given to `decode_image`.
    """
    source = open_source(folder)
    return [entry if entry.member else Path(entry.path) for entry in source.entries]


@dataclass(frozen=True)
class Dataset:
    """Pictures at every resolution from 4 up to `resolution`.

    pixels: {resolution: uint8 [n, resolution, resolution, 3] RGB, memory-mapped}; groups: the indices that belong to
    each sub-folder; names: below the folder; bad: (path, reason) of files that could not be read and are left out;
    hold: keeps the cache from being removed meanwhile.
    """

    pixels: dict[int, np.ndarray]
    groups: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    bad: tuple[tuple[str, str], ...]
    hold: object = field(default=None, repr=False, compare=False)

    def __len__(self) -> int:
        return len(self.names)


def open_dataset(
    folder: str | Path,
    resolution: int,
    cache_dir: str | Path | None = None,
    progress: Callable[[Sequence], Sequence] = iter,
) -> Dataset:
    """The Dataset of a folder or zip, from the cache or decoded now; `progress` wraps the files' numbers meanwhile.

    The cache is keyed by the names, sizes and times of the files: a changed folder is decoded again, and its older
    cache removed. Two runs may open it at once: one decodes, the other waits. DataError when not one picture can be
    read, or the cache cannot be written.
    """
    with open_source(folder) as source:
        where = cache_folder(source, resolution, cache_dir)
        for _ in range(TRIES):
            found = read_cache(where)
            if found is not None:
                break
            build_cache(source, resolution, where, progress)
        else:
            found = read_cache(where)
    if found is None:
        raise DataError(f"{where} was removed while it was opened; start again")
    index, pixels, hold = found
    bad = tuple((printable(name), printable(reason)) for name, reason in index["bad"])
    if not index["names"]:
        raise DataError(f"{folder}: not one of {len(bad)} images can be read; the first: {bad[0][1]}")
    return Dataset(pixels, group_by_folder(index["names"]), tuple(index["names"]), bad, hold)


def group_by_folder(names: Sequence[str]) -> tuple[np.ndarray, ...]:
    """Ascending indices of the names in each sub-folder, by the sub-folders' names."""
    folders = [name.rpartition("/")[0] for name in names]
    _, group_of, counts = np.unique(np.asarray(folders), return_inverse=True, return_counts=True)
    return tuple(np.split(np.argsort(group_of, kind="stable"), np.cumsum(counts)[:-1]))


def group_slots(group_sizes: Sequence[int], balance: float) -> np.ndarray:
    """The group of each draw in one round, int [slots].

    A group's share is proportional to size^(1 - balance): 0 natural, 1 all alike. A round is as long as the smallest
    share needs, at most about MAX_SLOTS; a group whose share is less than one of those has one all the same.
    """
    if len(group_sizes) == 1:
        return np.zeros(1, dtype=int)
    shares = np.asarray(group_sizes, dtype=np.float64) ** (1.0 - balance)
    shares /= shares.sum()
    slots = round_slots(shares.min())
    exact = np.maximum(shares * slots, 1.0)
    counts = np.floor(exact).astype(int)
    missing = slots - counts.sum()
    counts[np.argsort(-(exact - counts), kind="stable")[: max(missing, 0)]] += 1
    return np.repeat(np.arange(len(counts)), counts)


def round_slots(smallest_share: float) -> int:
    """Draws in a round whose smallest group has that share: ROUND_SLOTS where it gets one of them, else a multiple."""
    if smallest_share * ROUND_SLOTS > 1.0 - 1e-9:
        return ROUND_SLOTS
    return min(math.ceil(SMALLEST_COUNT / smallest_share / ROUND_SLOTS) * ROUND_SLOTS, MAX_SLOTS)


class Sampler:
    """Endless order of (image index, mirrored) in which the n-th draw is a function of (seed, n) alone.

    Resuming is therefore asking for the next n. Each group is walked in a fresh random order per epoch; mirroring
    doubles the epoch instead of being a coin, so every image is seen in both directions equally often.
    """

    def __init__(self, groups: Sequence[np.ndarray], balance: float = 0.0, flip: bool = True, seed: int = 0):
        self.groups = [np.concatenate(groups)] if balance == 0 else list(groups)
        self.flip, self.seed = flip, seed
        self.slots = group_slots([len(group) for group in self.groups], balance)
        self.counts = np.bincount(self.slots, minlength=len(self.groups))
        self._order = lru_cache(maxsize=4 * len(self.groups) + 4)(self._permutation)

    def _permutation(self, stream: int, epoch: int, n: int) -> np.ndarray:
        return np.random.default_rng((self.seed, stream, epoch)).permutation(n)

    def __getitem__(self, n: int) -> tuple[int, bool]:
        """The n-th draw: (index, mirrored)."""
        turn, place = divmod(n, len(self.slots))
        slot = self._order(0, turn, len(self.slots))[place] if len(self.slots) > 1 else 0
        g = self.slots[slot]
        rank = slot - np.searchsorted(self.slots, g)  # which of this group's slots in the round
        members = self.groups[g]
        length = len(members) * (2 if self.flip else 1)
        epoch, position = divmod(int(turn * self.counts[g] + rank), length)
        drawn = int(self._order(1 + int(g), epoch, length)[position])
        return int(members[drawn % len(members)]), drawn >= len(members)


def image_batches(
    dataset: Dataset, config: TrainConfig, start_nimg: int = 0, rank: int = 0, world: int = 1
) -> Iterator[np.ndarray]:
    """Endless uint8 [N, 3, R, R] batches from image `start_nimg` on; N and R follow config's schedule.

    With several processes each gets its consecutive share of every batch.
    """
    sampler = Sampler(dataset.groups, config.balance, config.flip, config.seed)
    nimg = start_nimg
    while True:
        resolution = resolution_of(config.schedule(nimg)[0])
        total = config.batch_size_at(resolution)
        share = total // world
        pixels = dataset.pixels[resolution]
        batch = np.empty((share, resolution, resolution, 3), np.uint8)
        for i in range(share):
            index, mirrored = sampler[nimg + rank * share + i]
            batch[i] = pixels[index, :, ::-1] if mirrored else pixels[index]
        yield batch.transpose(0, 3, 1, 2)
        nimg += total

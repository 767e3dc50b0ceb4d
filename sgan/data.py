"""A folder of pictures as uint8 batches: decoded once into a memory-mapped cache, drawn in a known order."""

import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageOps

from sgan.config import TrainConfig, resolution_of

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
CACHE_VERSION = 1
ROUND_SLOTS = 120  # group shares are exact to 1/120 within every run of 120 images


class DataError(ValueError):
    """A folder or a picture that cannot be used; the message names it."""


def list_images(folder: str | Path) -> list[Path]:
    """Image files below `folder`, sorted by their path; DataError when there is no folder or no image."""
    folder = Path(folder)
    if not folder.is_dir():
        raise DataError(f"{folder} is not a folder; give a folder of images as image_folder_path")
    files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in SUFFIXES and path.is_file())
    if not files:
        raise DataError(f"{folder} has no image ({', '.join(sorted(SUFFIXES))}) in it or in its sub-folders")
    return files


def decode_image(path: str | Path, resolution: int) -> np.ndarray:
    """One picture as uint8 [resolution, resolution, 3] RGB: turned upright, centre square, area-averaged.

    Transparency is laid on white; 16-bit grey is scaled to 8. DataError naming the file when it cannot be read.
    """
    try:
        with Image.open(path) as image:
            image.draft("RGB", (resolution * 2, resolution * 2))  # JPEG: decode at a fraction of the size
            image = ImageOps.exif_transpose(image)
            image = _to_rgb(image)
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError) as error:
        raise DataError(f"{path} cannot be read as an image ({error})") from None
    method = Image.Resampling.BOX if min(image.size) >= 2 * resolution else Image.Resampling.LANCZOS
    return np.asarray(ImageOps.fit(image, (resolution, resolution), method))


def _to_rgb(image: Image.Image) -> Image.Image:
    if image.mode.startswith(("I;16", "I")):
        grey = np.asarray(image).astype(np.float32) / 65535.0
        return Image.fromarray((grey.clip(0, 1) * 255 + 0.5).astype(np.uint8)).convert("RGB")
    if image.mode in ("RGBA", "LA", "PA") or "transparency" in image.info:
        image = image.convert("RGBA")
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image).convert("RGB")
    return image.convert("RGB")


@dataclass(frozen=True)
class Dataset:
    """Pictures at every resolution from 4 up to `resolution`.

    pixels: {resolution: uint8 [n, resolution, resolution, 3] RGB, memory-mapped}; groups: the indices that belong to
    each sub-folder; bad: (path, reason) of files that could not be read and are left out.
    """

    pixels: dict[int, np.ndarray]
    groups: tuple[np.ndarray, ...]
    names: tuple[str, ...]
    bad: tuple[tuple[str, str], ...]

    def __len__(self) -> int:
        return len(self.names)


def default_cache_dir() -> Path:
    """The user's cache folder, or what RANDOM_UNREAL_FACE_CACHE names."""
    own = os.environ.get("RANDOM_UNREAL_FACE_CACHE")
    base = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(own) if own else Path(base) / "random-unreal-face"


def open_dataset(
    folder: str | Path,
    resolution: int,
    cache_dir: str | Path | None = None,
    progress: Callable[[Sequence], Sequence] = iter,
) -> Dataset:
    """The Dataset of `folder`, from the cache or decoded now; `progress` wraps the files' numbers meanwhile.

    The cache is keyed by the names, sizes and times of the files: a changed folder is decoded again. It is written
    beside and renamed, so two runs may build it at once. DataError when not one picture can be read.
    """
    folder = Path(folder)
    files = list_images(folder)
    where = Path(cache_dir or default_cache_dir()) / _fingerprint(folder, files, resolution)
    if not (where / "index.json").exists():
        _build_cache(folder, files, resolution, where, progress)
    index = json.loads((where / "index.json").read_text())
    if not index["names"]:
        path, reason = index["bad"][0]
        raise DataError(f"{folder}: not one of {len(files)} images can be read; the first: {reason}")
    pixels = {size: np.load(where / f"{size}.npy", mmap_mode="r") for size in index["sizes"]}
    parents = [str(Path(name).parent) for name in index["names"]]
    groups = tuple(np.flatnonzero(np.asarray(parents) == parent) for parent in sorted(set(parents)))
    return Dataset(pixels, groups, tuple(index["names"]), tuple(map(tuple, index["bad"])))


def _fingerprint(folder: Path, files: Sequence[Path], resolution: int) -> str:
    digest = hashlib.sha256(f"{CACHE_VERSION} {resolution} {folder.resolve()}".encode())
    for path in files:
        stat = path.stat()
        digest.update(f"{path.relative_to(folder)}\0{stat.st_size}\0{stat.st_mtime_ns}\n".encode())
    return digest.hexdigest()[:24]


def _build_cache(
    folder: Path, files: Sequence[Path], resolution: int, where: Path, progress: Callable[[Sequence], Sequence]
) -> None:
    """Decodes at `resolution`, halves down to 4, and puts the finished folder in place by one rename."""

    def load(path: Path) -> np.ndarray | str:
        try:
            return decode_image(path, resolution)
        except DataError as error:
            return str(error)

    where.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=where.parent, prefix=".building-") as building:
        out = np.lib.format.open_memmap(
            Path(building) / f"{resolution}.npy", "w+", np.uint8, (len(files), resolution, resolution, 3)
        )
        names, bad = [], []
        with ThreadPoolExecutor() as pool:
            images = pool.map(load, files)
            for i in progress(range(len(files))):
                image, name = next(images), str(files[i].relative_to(folder))
                if isinstance(image, str):
                    bad.append((name, image))
                else:
                    out[len(names)] = image
                    names.append(name)
        out.flush()
        sizes = _write_pyramid(Path(building), out[: len(names)], resolution)
        index = {"names": names, "bad": bad, "sizes": sizes}
        (Path(building) / "index.json").write_text(json.dumps(index))
        try:
            os.rename(building, where)
        except OSError:
            if not (where / "index.json").exists():  # else another run was first: use its
                raise
        else:
            Path(building).mkdir()  # for TemporaryDirectory to remove


def _write_pyramid(where: Path, pixels: np.ndarray, resolution: int) -> list[int]:
    """Writes the exact length and every halving (2x2 mean, rounded); returns the sizes."""
    sizes = [resolution]
    np.save(where / f"{resolution}.tmp.npy", pixels)
    os.replace(where / f"{resolution}.tmp.npy", where / f"{resolution}.npy")
    while resolution > 4:
        n, resolution = len(pixels), resolution // 2
        quads = pixels.reshape(n, resolution, 2, resolution, 2, 3)
        pixels = ((quads.astype(np.uint16).sum(axis=(2, 4)) + 2) // 4).astype(np.uint8)
        np.save(where / f"{resolution}.npy", pixels)
        sizes.append(resolution)
    return sizes


def group_slots(group_sizes: Sequence[int], balance: float) -> np.ndarray:
    """The group of each draw in one round, int [slots].

    A group's share is proportional to size^(1 - balance): 0 natural, 1 all alike.
    """
    if len(group_sizes) == 1:
        return np.zeros(1, dtype=int)
    shares = np.asarray(group_sizes, dtype=np.float64) ** (1.0 - balance)
    exact = np.maximum(shares / shares.sum() * ROUND_SLOTS, 1.0)
    counts = np.floor(exact).astype(int)
    missing = ROUND_SLOTS - counts.sum()
    counts[np.argsort(-(exact - counts), kind="stable")[: max(missing, 0)]] += 1
    return np.repeat(np.arange(len(counts)), counts)


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
        order = self._order(0, turn, len(self.slots))
        slot = order[place]
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

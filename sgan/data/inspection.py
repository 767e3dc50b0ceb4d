"""What is in a folder or zip of pictures: counts, sizes, bad files, exact duplicates, and a sheet to look at."""

import hashlib
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from sgan.config import RESOLUTIONS
from sgan.data.archive import DataError, Entry, Source, open_source, printable
from sgan.data.cache import map_ahead
from sgan.data.pictures import decode_image, decode_whole
from sgan.viz import make_grid

SHEET_PICTURES = 100
SHEET_SIDE = 96  # pixels of one picture on the sheet
COMMON = 10  # kinds, sizes and endings that are listed one by one


@dataclass
class Report:
    """What `inspect_pictures` found. Names are relative to `path`.

    kinds and sizes: number of pictures by "JPEG, RGB" and by "178x218" (width x height, upright); short_sides: the
    shorter side of each; bad: (name, why); same_bytes: groups of names of files alike to the last byte; same_pixels:
    groups of names of different files, one for each, that show the same; others: other files by their ending.
    """

    path: str
    folders: Counter = field(default_factory=Counter)
    kinds: Counter = field(default_factory=Counter)
    sizes: Counter = field(default_factory=Counter)
    short_sides: list[int] = field(default_factory=list)
    n_bytes: int = 0
    bad: list[tuple[str, str]] = field(default_factory=list)
    same_bytes: list[list[str]] = field(default_factory=list)
    same_pixels: list[list[str]] = field(default_factory=list)
    others: Counter = field(default_factory=Counter)

    @property
    def n_good(self) -> int:
        """Pictures that can be read."""
        return len(self.short_sides)

    def smaller_than(self) -> dict[int, int]:
        """{resolution: pictures whose shorter side is below it}, for every resolution that a training can have."""
        sides = np.asarray(self.short_sides, dtype=int)
        return {resolution: int((sides < resolution).sum()) for resolution in RESOLUTIONS}


def inspect_pictures(path: str | Path, progress: Callable[[Sequence], Iterable] = iter) -> Report:
    """The Report of a folder or zip; every picture is decoded at its full size. DataError when there is none."""
    with open_source(path) as source:
        report = Report(str(path), bad=list(source.refused), others=+source.others)
        by_bytes, by_pixels = defaultdict(list), defaultdict(list)
        results = map_ahead(_look, source.entries)
        for i in progress(range(len(source.entries))):
            entry, found, name = source.entries[i], next(results), printable(source.entries[i].name)
            report.n_bytes += entry.size
            if isinstance(found, str):
                report.bad.append((name, found))
                continue
            kind, (height, width), data_hash, pixel_hash = found
            report.folders[str(entry.parent)] += 1
            report.kinds[kind] += 1
            report.sizes[f"{width}x{height}"] += 1
            report.short_sides.append(min(height, width))
            by_bytes[data_hash].append(name)
            by_pixels[pixel_hash].append((data_hash, name))
    report.same_bytes = [names for names in by_bytes.values() if len(names) > 1]
    for alike in by_pixels.values():  # those that are also alike in bytes stand above
        if len({data_hash for data_hash, _ in alike}) > 1:
            report.same_pixels.append(list(dict(reversed(alike)).values())[::-1])
    return report


def _look(entry: Entry) -> tuple[str, tuple[int, int], bytes, bytes] | str:
    """(kind, (height, width), hash of the bytes, hash of the decoded pixels) of a picture, or why there is none."""
    try:
        pixels, kind = decode_whole(entry)
        digest = hashlib.sha256(str(pixels.shape).encode())
        digest.update(np.ascontiguousarray(pixels).data)
        return kind, pixels.shape[:2], hashlib.sha256(entry.read()).digest()[:16], digest.digest()[:16]
    except DataError as error:
        return str(error).removeprefix(f"{entry} ")
    except Exception as error:  # the file went away between two readings
        return str(error)


def write_sheet(path: str | Path, target: str | Path, side: int = SHEET_SIDE) -> int:
    """Writes a sheet of at most SHEET_PICTURES pictures spread over a folder or zip; returns how many are on it.

    Each is cropped to a square as a training crops it. The format follows the ending of target.
    """
    pictures = sheet_pictures(path, side)
    Path(target).parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(make_grid(pictures)).save(target)
    return len(pictures)


def sheet_pictures(path: str | Path, side: int = SHEET_SIDE, count: int = SHEET_PICTURES) -> np.ndarray:
    """uint8 [N, side, side, 3] RGB, N at most `count`, of pictures spread over a folder or zip; DataError for none."""
    with open_source(path) as source:
        squares = map_ahead(lambda entry: _square(entry, side), _spread(source, count))
        pictures = [square for square in squares if square is not None]
    if not pictures:
        raise DataError(f"{path}: not one image can be read, so there is nothing to put on a sheet")
    return np.stack(pictures)


def _spread(source: Source, count: int) -> list[Entry]:
    chosen = np.linspace(0, len(source.entries) - 1, min(count, len(source.entries))).astype(int)
    return [source.entries[i] for i in chosen]


def _square(entry: Entry, side: int) -> np.ndarray | None:
    try:
        return decode_image(entry, side)
    except DataError:
        return None


def to_json(report: Report) -> dict[str, Any]:
    """A Report as plain JSON types."""
    sides = sorted(report.short_sides)
    return {
        "path": report.path,
        "images": report.n_good,
        "bytes": report.n_bytes,
        "folders": dict(sorted(report.folders.items())),
        "kinds": dict(report.kinds.most_common()),
        "sizes": dict(report.sizes.most_common()),
        "short_side": {"min": sides[0], "median": sides[len(sides) // 2], "max": sides[-1]} if sides else None,
        "smaller_than": {str(resolution): n for resolution, n in report.smaller_than().items()},
        "bad": [{"name": name, "reason": reason} for name, reason in report.bad],
        "same_bytes": report.same_bytes,
        "same_pixels": report.same_pixels,
        "other_files": dict(report.others.most_common()),
    }


def to_text(report: Report) -> str:
    """A Report for people: one line per fact, then every bad file and every group of duplicates by name."""
    values = to_json(report)
    lines = [f"{report.path}: {report.n_good} images in {len(report.folders)} folders, {report.n_bytes / 1e6:.1f} MB"]
    if len(report.folders) > 1:
        lines += [f"  {name}: {n}" for name, n in values["folders"].items()]
    lines.append(f"kinds: {_counts(report.kinds)}")
    if sides := values["short_side"]:
        lines.append(f"shorter side: {sides['min']} to {sides['max']} pixels, median {sides['median']}")
        lines.append(f"sizes: {_counts(report.sizes)}")
    small = {size: n for size, n in report.smaller_than().items() if 0 < n < report.n_good}
    lines += [f"smaller than {size}: {n}, which a training at {size} would enlarge" for size, n in small.items()]
    if report.others:
        lines.append(f"other files, not looked at: {_counts(report.others)}")
    lines.append(f"files that cannot be used: {len(report.bad)}")
    lines += [f"  {name}: {reason}" for name, reason in report.bad]
    for title, groups in (("bytes", report.same_bytes), ("pixels, in different files", report.same_pixels)):
        lines.append(f"exact duplicates by {title}: {sum(len(group) - 1 for group in groups)}")
        lines += [f"  {' = '.join(group)}" for group in groups]
    return "\n".join(lines)


def _counts(counter: Counter) -> str:
    shown = [f"{name or 'no ending'} ({n})" for name, n in counter.most_common(COMMON)]
    return ", ".join(shown) + (f" and {len(counter) - COMMON} more" if len(counter) > COMMON else "")

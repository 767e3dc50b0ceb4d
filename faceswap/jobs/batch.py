"""One face onto a whole folder of photos, in several processes at once, with a report of what was found and done.

What is there already is not made again: a result says in its own metadata from which photo, face and options it comes.
"""

from __future__ import annotations

import contextlib
import csv
import io
import os
import signal
import time
from collections import deque
from collections.abc import Iterable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ProcessPoolExecutor, wait
from concurrent.futures.process import BrokenProcessPool
from dataclasses import asdict, dataclass, fields
from multiprocessing import get_context, parent_process
from pathlib import Path
from threading import Thread

import cv2

from faceswap.find.landmarkers import make_landmarker
from faceswap.jobs.sheet import CELL, captioned, grid
from faceswap.media.images import (
    OUTPUT_SUFFIXES,
    list_photos,
    plain_names,
    read_image,
    read_picture,
    with_pixels,
    write_picture,
    write_plain,
)
from faceswap.swap import Options, Swapper, choose_faces, describe
from graphs.silence import silent_libraries
from provenance import read_mark, remove_leftovers, whole_file

REPORT, SHEET = "report.csv", "contact_sheet.jpg"
SWAPPED, KEPT, NO_FACE, FAILED = "swapped", "there already", "no face", "failed"
SHOWN = 60  # photos on the contact sheet at most
AHEAD = 2  # jobs waiting for each process, so that none stands idle and memory stays bounded
MOST_WORKERS = 61 if os.name == "nt" else 4096  # Windows can wait for no more at once


@dataclass(frozen=True)
class Row:
    """What became of one photo: a line of the report."""

    photo: str  # below the folder
    result: str  # below the folder of results, empty when nothing was written
    status: str  # SWAPPED, KEPT, NO_FACE or FAILED
    faces: int  # found
    swapped: int
    seconds: float
    message: str  # what went wrong, one sentence


@dataclass(frozen=True)
class Job:
    """How a batch is done: the same for all photos; plain values, sent to each process once."""

    src: str
    options: Options
    face: int | str = "all"
    src_face: int | str = "largest"
    landmarks: str = "mesh"


_swapper: Swapper | None = None  # of this process
_job: Job | None = None


def _start(job: Job) -> None:
    """Makes a process ready: Ctrl-C is left to the parent, and models are loaded once."""
    global _swapper, _job
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    Thread(target=_end_with_parent, daemon=True).start()
    cv2.setNumThreads(1)  # there is a process for each processor already
    with silent_libraries():
        _swapper, _job = make_swapper(job), job


def _end_with_parent() -> None:
    """Ends this process when its parent was killed, which could not tell it that there is no more work."""
    parent_process().join()
    os.kill(os.getpid(), signal.SIGTERM)


def make_swapper(job: Job) -> Swapper:
    """Returns the swapper of a batch. Errors as of `Swapper`."""
    return Swapper(job.src, job.options, make_landmarker(job.landmarks), face=job.src_face)


def _work(photo: str, out: str) -> tuple[str, int, int, float, str]:
    """Returns (status, faces found, faces swapped, seconds, message) after one photo, in a process of the pool."""
    with silent_libraries():
        return swap_one(_swapper, _job, Path(photo), Path(out))


def swap_one(swapper: Swapper, job: Job, photo: Path, out: Path) -> tuple[str, int, int, float, str]:
    """Returns (status, faces found, faces swapped, seconds, message) after one photo; never raises for a bad one."""
    start = time.perf_counter()
    found = []
    try:
        picture = read_picture(photo)
        found = swapper.find(picture.rgb)
        if not found:
            return NO_FACE, 0, 0, time.perf_counter() - start, ""
        chosen = choose_faces(found, job.face, str(photo))
        settings = describe_job(job, photo, len(found), len(chosen))
        write_picture(out, with_pixels(picture, swapper.swap(picture.rgb, chosen)), settings)
        return SWAPPED, len(found), len(chosen), time.perf_counter() - start, ""
    except (OSError, ValueError, RuntimeError, MemoryError, cv2.error) as error:
        return FAILED, len(found), 0, time.perf_counter() - start, " ".join(str(error).split())


def run_batch(
    job: Job, dst: Path, out: Path, workers: int | None = None, inputs: tuple[str | Path, ...] = ()
) -> Iterator[Row]:
    """Returns an iterator of rows, one for each photo as it is done; at its end report and contact sheet are written.

    Also when the consumer stops early: then photos not reached are missing in the report, and made next time.

    Args:
        job: the face and how.
        dst: folder of photos.
        out: folder of results, with the same folders inside.
        workers: processes; one for each processor when None.
        inputs: files that must not be overwritten, beside the face's.

    Raises:
        OSError, ValueError: from `list_photos`, `check_results` or `Swapper`, before anything is done.
    """
    photos = list_photos(dst, out)
    results = result_names(dst, photos)
    check_results(out, results, (job.src, *inputs))
    make_swapper(job)  # a face that cannot be used ends the batch before it starts
    return _rows(job, dst, out, photos, results, min(workers or processors(), MOST_WORKERS))


def processors() -> int:
    """Returns how many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def check_results(out: Path, results: list[Path], inputs: Iterable[str | Path]) -> None:
    """ValueError when a result, the report or the contact sheet would overwrite an input, or each other.

    Args:
        results: below `out`.
        inputs: files that must stay, which may be missing.
    """
    taken = [name for name in results if str(name).lower() in (REPORT, SHEET)]
    if taken:
        raise ValueError(f"{out / taken[0]}: a photo's result would have that name of ours; rename the photo")
    inputs = [Path(path) for path in inputs if Path(path).exists()]
    for path in (out / name for name in (*results, REPORT, SHEET)):
        if path.exists() and any(path.samefile(given) for given in inputs):
            raise ValueError(f"{path}: would be overwritten by a result; choose another folder for the results")


def _rows(job: Job, dst: Path, out: Path, photos: list[Path], results: list[Path], workers: int) -> Iterator[Row]:
    """Yields the rows of a batch, first those of what is there already."""
    for folder in {out, *((out / name).parent for name in results)}:
        remove_leftovers(folder)
    rows: list[Row] = []
    todo = []
    try:
        for photo, name in zip(photos, results):
            row = kept_row(job, dst, photo, out, name)
            if row is None:
                todo.append((photo, name))
            else:
                rows.append(row)
                yield row
        for row in _in_processes(job, dst, out, todo, workers):
            rows.append(row)
            yield row
    finally:
        order = {str(photo.relative_to(dst)): number for number, photo in enumerate(photos)}
        rows.sort(key=lambda row: order[row.photo])
        write_report(out / REPORT, rows)
        write_sheet(rows, dst, out)


def result_names(dst: Path, photos: list[Path]) -> list[Path]:
    """Returns each result's path below the folder of results: the photo's, as .png where its format is not written."""
    kept = [photo.relative_to(dst) if photo.suffix.lower() in OUTPUT_SUFFIXES else None for photo in photos]
    taken = {str(name).lower() for name in kept if name}
    names = []
    for name, plain in zip(kept, plain_names(dst, photos)):
        if name is None:
            name = plain.with_name(f"{plain.name}.png")
            while str(name).lower() in taken:
                name = name.with_name(f"{name.name}.png")
            taken.add(str(name).lower())
        names.append(name)
    return names


def kept_row(job: Job, dst: Path, photo: Path, out: Path, name: Path) -> Row | None:
    """Returns the row of a result that is there already and was made from this photo, face and options, else None."""
    try:
        mark = read_mark(out / name)
        if mark is None:
            return None
        found, swapped = (mark.settings.get(key) for key in ("faces_found", "faces"))
        if describe_job(job, photo, found, swapped) != mark.settings:
            return None
    except (OSError, ValueError):
        return None
    return Row(str(photo.relative_to(dst)), str(name), KEPT, found, swapped, 0.0, "")


def describe_job(job: Job, photo: Path, found: int, swapped: int) -> dict:
    """Returns what the metadata of a photo's result say; a result with other settings is made again."""
    settings = describe(job.src, photo, job.options, swapped, job.face, job.src_face, job.landmarks)
    return settings | {"faces_found": found}


def _in_processes(job: Job, dst: Path, out: Path, todo: list[tuple[Path, Path]], workers: int) -> Iterator[Row]:
    """Yields the rows of all photos to be done, in the order in which they are finished.

    When a process is killed nobody knows which photo it had: those that were not finished are done again, each with no
    other beside it, and fail only when that ends too.
    """
    waiting, suspects = deque(todo), deque()
    while waiting or suspects:
        alone, jobs = bool(suspects), suspects or waiting
        running: dict[Future, tuple[Path, Path]] = {}
        count, done = 1 if alone else min(workers, len(jobs)), 0
        for (photo, name), result in _in_pool(job, out, jobs, running, count, 1 if alone else AHEAD * count):
            done += 1
            yield _row(dst, photo, name, *result)
        left = list(running.values())
        if jobs and not left and not done:  # the process ended before it could begin
            left = [jobs.popleft()]
        if alone:
            for photo, name in left:
                yield _row(dst, photo, name, FAILED, 0, 0, 0.0, f"{photo}: the process working on it was ended")
        else:
            suspects.extend(left)


def _in_pool(
    job: Job, out: Path, jobs: deque, running: dict[Future, tuple[Path, Path]], count: int, ahead: int
) -> Iterator[tuple[tuple[Path, Path], tuple]]:
    """Yields (photo and name, result) until all jobs are done or a process of the pool was killed.

    Args:
        jobs: what is begun is taken out.
        running: empty; in the end it holds what was begun and not finished.
        count: processes.
        ahead: photos handed over at a time.
    """
    pool = ProcessPoolExecutor(count, get_context("spawn"), initializer=_start, initargs=(job,))
    try:
        while jobs or running:
            while jobs and len(running) < ahead:
                photo, name = jobs[0]
                running[pool.submit(_work, str(photo), str(out / name))] = jobs[0]
                jobs.popleft()
            done = wait(running, return_when=FIRST_COMPLETED).done
            yield from _finished(running, done)
            if done & running.keys():
                break
    except BrokenProcessPool:  # while a job was handed over
        pass
    finally:
        pool.shutdown(wait=True, cancel_futures=True)
    yield from _finished(running, list(running))


def _finished(running: dict[Future, tuple[Path, Path]], done: Iterable[Future]) -> Iterator[tuple]:
    """Yields (photo and name, result) of those that came to a result, and takes them out of what is running."""
    for future in done:
        if not future.cancelled() and not isinstance(future.exception(), BrokenProcessPool):
            yield running.pop(future), future.result()


def _row(dst: Path, photo: Path, name: Path, status: str, faces: int, swapped: int, seconds: float, text: str) -> Row:
    result = str(name) if status == SWAPPED else ""
    return Row(str(photo.relative_to(dst)), result, status, faces, swapped, round(seconds, 3), text)


def write_report(path: Path, rows: list[Row]) -> None:
    """Writes the rows as CSV, whole or not at all."""
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, [item.name for item in fields(Row)])
    writer.writeheader()
    writer.writerows(asdict(row) for row in rows)
    with whole_file(path) as file:
        # With its mark of order spreadsheets know UTF-8. A name in another encoding is written byte by byte.
        file.write(text.getvalue().encode("utf-8-sig", "backslashreplace"))


def write_sheet(rows: list[Row], dst: Path, out: Path) -> None:
    """Writes the contact sheet: photo and result side by side, evenly chosen where there are too many."""
    shown = [row for row in rows if row.status != FAILED]
    cells = []
    for row in shown[:: max(1, -(-len(shown) // SHOWN))]:
        with contextlib.suppress(OSError, ValueError):
            result = read_image(out / row.result, CELL) if row.result else None
            cells.append(captioned(read_image(dst / row.photo, CELL), result, f"{row.photo}: {row.status}"))
    if cells:
        write_plain(out / SHEET, grid(cells, 3))

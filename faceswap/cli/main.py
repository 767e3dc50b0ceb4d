"""`python -m faceswap swap | batch | align ...`: the commands for photos and folders."""

from __future__ import annotations

import argparse
import os
import sys
from pathlib import Path

COMMANDS = ("swap", "batch", "align")


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code of the subcommand named first; flags without a name mean `swap`."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in ("-h", "--help"):
        print(f"usage: python -m faceswap {{{','.join(COMMANDS)}}} ...  (--help after a name says more)")
        return 0
    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-"):
        print(f"usage: python -m faceswap {{{','.join(COMMANDS)}}} ...", file=sys.stderr)
        print(f"error: there is no command {argv[0]!r}", file=sys.stderr)
        return 2
    name, rest = (argv[0], argv[1:]) if argv and argv[0] in COMMANDS else ("swap", argv)
    return {"swap": swap, "batch": batch, "align": align}[name](rest, f"python -m faceswap {name}")


def swap(argv: list[str], prog: str) -> int:
    """Returns the exit code of `swap`: one photo."""
    from faceswap.cli.photo import main as run_main

    return run_main(argv, prog)


def batch(argv: list[str], prog: str) -> int:
    """Returns the exit code of `batch`: one face onto a folder of photos."""
    from faceswap.cli.photo import add_option_flags, face_name, one_face_name, run
    from faceswap.find.landmarks import LANDMARKERS

    parser = argparse.ArgumentParser(prog=prog, description="Put one face onto every photo of a folder.")
    parser.add_argument("--src", required=True, metavar="FACE", help="picture of the face to put in")
    parser.add_argument("--dst", required=True, metavar="DIR", help="folder of photos, with the folders below it")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of results, the report and a contact sheet")
    parser.add_argument("--face", type=face_name, default="all", help="which faces: all, largest, or a number from 0")
    parser.add_argument("--src_face", type=one_face_name, default="largest", help="which face of --src")
    parser.add_argument("--landmarks", choices=LANDMARKERS, default="mesh", help="what finds the faces' points")
    parser.add_argument("--workers", type=whole_number, default=None, help="processes (default: one per processor)")
    add_option_flags(parser)
    return run(run_batch_command, parser.parse_args(argv))


def run_batch_command(args: argparse.Namespace) -> str:
    """Does a batch with a progress bar and returns its closing line."""
    from collections import Counter

    from bars import progress_bar
    from faceswap.cli.photo import options_from, plural
    from faceswap.jobs.batch import FAILED, KEPT, NO_FACE, REPORT, SHEET, SWAPPED, Job, run_batch
    from faceswap.media.images import check_folder, list_photos

    out, counts = Path(args.out), Counter()
    check_folder(out)
    job = Job(args.src, options_from(args), args.face, args.src_face, args.landmarks)
    rows = run_batch(job, Path(args.dst), out, args.workers)
    with progress_bar(total=len(list_photos(args.dst, out)), unit="photo") as bar:
        for row in rows:
            counts[row.status] += 1
            if row.status == FAILED:
                bar.write(f"left out: {row.message}", file=sys.stderr)
            bar.update()
    done = [f"{counts[status]} {status}" for status in (KEPT, NO_FACE, FAILED) if counts[status]]
    line = ", ".join([f"{plural(counts[SWAPPED], 'photo')} swapped", *done])
    return f"{line}; results, {REPORT} and {SHEET} are in {out}"


def align(argv: list[str], prog: str) -> int:
    """Returns the exit code of `align`: squares of faces out of photos."""
    from faceswap.cli.photo import run
    from faceswap.find.landmarks import LANDMARKERS

    parser = argparse.ArgumentParser(prog=prog, description="Cut eye-levelled squares of faces out of photos.")
    parser.add_argument("--src", required=True, metavar="DIR", help="folder of photos, with the folders below it")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the squares")
    parser.add_argument("--size", type=whole_number, default=256, help="side in pixels (default: %(default)s)")
    parser.add_argument("--smallest", type=whole_number, default=None, help="leave out faces with fewer pixels across")
    parser.add_argument("--landmarks", choices=LANDMARKERS, default="mesh", help="what finds the faces' points")
    return run(run_align_command, parser.parse_args(argv))


def run_align_command(args: argparse.Namespace) -> str:
    """Cuts out the faces of a folder with a progress bar and returns the closing line."""
    from bars import progress_bar
    from faceswap.cli.photo import notice, plural
    from faceswap.find.landmarks import make_landmarker
    from faceswap.jobs.align import align_folder
    from faceswap.media.images import check_folder, list_photos

    check_folder(args.out)
    squares = empty = small = bad = 0
    photos = len(list_photos(args.src, args.out))
    landmarker = make_landmarker(args.landmarks, notice=notice)
    done = align_folder(args.src, args.out, args.size, landmarker, args.smallest or 0)
    for photo in (bar := progress_bar(done, total=photos, unit="photo")):
        squares += len(photo.written)
        small += photo.too_small
        empty += not (photo.written or photo.too_small or photo.problem)
        bad += bool(photo.problem)
        if photo.problem:
            bar.write(f"left out: {photo.problem}", file=sys.stderr)
    notes = [
        f"{count} {what}"
        for count, what in ((empty, "without a face"), (small, "faces too small"), (bad, "unreadable"))
        if count
    ]
    folder = os.path.join(args.out, "")
    return ", ".join([f"{plural(squares, 'square')} from {plural(photos, 'photo')} in {folder}", *notes])


def whole_number(text: str) -> int:
    """Returns a number from 1 from what was typed."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")

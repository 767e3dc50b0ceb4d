"""`python -m faceswap align`: squares of faces out of photos."""

from __future__ import annotations

import argparse
import os
import sys

from faceswap.cli.common import add_landmarks_flag, notice, plural, run, whole_number
from faceswap.find.landmarkers import make_landmarker


def build_parser(prog: str) -> argparse.ArgumentParser:
    """Returns the parser of this command."""
    parser = argparse.ArgumentParser(prog=prog, description="Cut eye-levelled squares of faces out of photos.")
    parser.add_argument("--src", required=True, metavar="DIR", help="folder of photos, with the folders below it")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of the squares")
    parser.add_argument("--size", type=whole_number, default=256, help="side in pixels (default: %(default)s)")
    parser.add_argument("--smallest", type=whole_number, default=None, help="leave out faces with fewer pixels across")
    add_landmarks_flag(parser)
    return parser


def cut_faces(args: argparse.Namespace) -> str:
    """Cuts out the faces of a folder with a progress bar and returns the closing line."""
    from bars import progress_bar
    from faceswap.jobs.align import align_folder
    from faceswap.media.images import check_folder, list_photos

    check_folder(args.out)
    squares = empty = small = bad = 0
    photos = len(list_photos(args.src, args.out))
    landmarker = make_landmarker(args.landmarks, notice)
    done = align_folder(args.src, args.out, args.size, landmarker, args.smallest or 0)
    for photo in (bar := progress_bar(done, total=photos, unit="photo")):
        squares += len(photo.written)
        small += photo.too_small
        empty += not (photo.written or photo.too_small or photo.problem)
        bad += bool(photo.problem)
        if photo.problem:
            bar.write(f"left out: {photo.problem}", file=sys.stderr)
    counts = (empty, "without a face"), (small, "faces too small"), (bad, "unreadable")
    notes = [f"{count} {what}" for count, what in counts if count]
    folder = os.path.join(args.out, "")
    return ", ".join([f"{plural(squares, 'square')} from {plural(photos, 'photo')} in {folder}", *notes])


def main(argv: list[str] | None, prog: str) -> int:
    """Returns the exit code of the command."""
    return run(cut_faces, build_parser(prog).parse_args(argv))

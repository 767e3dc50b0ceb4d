"""`python -m faceswap batch`: one face onto a folder of photos."""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from pathlib import Path

from faceswap.cli.common import add_swap_flags, options_from, plural, run, whole_number


def build_parser(prog: str) -> argparse.ArgumentParser:
    """Returns the parser of this command."""
    parser = argparse.ArgumentParser(prog=prog, description="Put one face onto every photo of a folder.")
    parser.add_argument("--src", required=True, metavar="FACE", help="picture of the face to put in")
    parser.add_argument("--dst", required=True, metavar="DIR", help="folder of photos, with the folders below it")
    parser.add_argument("--out", required=True, metavar="DIR", help="folder of results, the report and a contact sheet")
    parser.add_argument("--workers", type=whole_number, default=None, help="processes (default: one per processor)")
    add_swap_flags(parser, "--src")
    return parser


def swap_folder(args: argparse.Namespace) -> str:
    """Does a batch with a progress bar and returns its closing line."""
    from bars import progress_bar
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


def main(argv: list[str] | None, prog: str) -> int:
    """Returns the exit code of the command."""
    return run(swap_folder, build_parser(prog).parse_args(argv))

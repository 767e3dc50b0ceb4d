"""The commands `inspect`, what is in a folder of pictures, and `metrics`, how good a checkpoint is."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from sgan.config import ConfigError


def add_inspect(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `inspect`."""
    parser.description = (
        "Look through a folder or zip of pictures before training: counts, sizes, every file that cannot be used and "
        "why, exact duplicates; and a sheet of a hundred of them."
    )
    parser.add_argument("folder", metavar="DIR", help="a folder of images (with its sub-folders) or a zip of one")
    parser.add_argument("--out", default="results/contact_sheet.jpg", help="the sheet (default: %(default)s)")
    parser.add_argument("--json", action="store_true", help="print the report as JSON")
    parser.set_defaults(run=run_inspect)


def run_inspect(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """`inspect`: prints the report and writes the sheet."""
    from sgan.archive import SUFFIXES

    if Path(options.out).suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--out {options.out} is no picture file; end it in one of {', '.join(sorted(SUFFIXES))}")
    from tqdm.auto import tqdm

    from sgan.inspection import inspect_pictures, to_json, to_text, write_sheet

    report = inspect_pictures(options.folder, lambda numbers: tqdm(numbers, desc="reading", unit="img", leave=False))
    print(json.dumps(to_json(report), indent=1) if options.json else to_text(report))
    if report.n_good:
        n = write_sheet(options.folder, options.out)
        print(f"{n} of them: {options.out}", file=sys.stderr if options.json else sys.stdout)
    return 0

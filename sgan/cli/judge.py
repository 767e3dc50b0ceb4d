"""The commands `inspect`, what is in a folder of pictures, and `metrics`, how good a checkpoint is."""

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path

from bars import progress_bar
from sgan.config import ConfigError, resolution_of
from sgan.judging.measures import MEASURES


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
    from sgan.data.archive import SUFFIXES

    if Path(options.out).suffix.lower() not in SUFFIXES:
        raise ConfigError(f"--out {options.out} is no picture file; end it in one of {', '.join(sorted(SUFFIXES))}")
    from sgan.data.inspection import inspect_pictures, to_json, to_text, write_sheet

    report = inspect_pictures(
        options.folder, lambda numbers: progress_bar(numbers, desc="reading", unit="img", leave=False)
    )
    print(json.dumps(to_json(report), indent=1) if options.json else to_text(report))
    if report.n_good:
        n = write_sheet(options.folder, options.out)
        print(f"{n} of them: {options.out}", file=sys.stderr if options.json else sys.stdout)
    return 0


def add_metrics(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `metrics`."""
    measures = ", ".join(entry.help for entry in MEASURES.values())
    parser.description = (
        f"Judge a checkpoint against the images it was trained on: {measures}. Prints JSON; writes metrics.json and "
        "nearest.png."
    )
    parser.add_argument("--checkpoint", required=True, help="file or folder of a checkpoint")
    parser.add_argument("--image_folder_path", required=True, help="the folder (or zip) of images it was trained on")
    parser.add_argument("--n", type=int, default=1000, help="images of each kind (default: %(default)s)")
    parser.add_argument("--truncation_psi", type=float, default=1.0, help="of the generated images (default: 1)")
    parser.add_argument("--seed", type=int, default=0, help="which images are drawn (default: %(default)s)")
    parser.add_argument("--measures", nargs="+", metavar="NAME", help=f"{', '.join(MEASURES)} (default: all)")
    parser.add_argument("--out", default="results", help="folder of metrics.json and nearest.png (default: results)")
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    parser.set_defaults(run=run_metrics)


def run_metrics(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """`metrics`: prints and writes the verdict on a checkpoint, and the sheet of nearest training images."""
    for name, low, high in (("n", 10, 100_000), ("seed", 0, 2**31 - 1), ("truncation_psi", -10, 10)):
        if not low <= getattr(options, name) <= high:
            raise ConfigError(f"{name} is {getattr(options, name)}; it must be between {low} and {high}")
    from provenance import COMPOSITE, Mark, write_bytes, write_image
    from sgan.data.dataset import open_dataset
    from sgan.judging.checkpoint import check_measures, draw_sample, judge
    from sgan.networks.device import resolve_device
    from sgan.weights.checkpoint import load_generator

    def bar(title: str, unit: str):
        return lambda numbers: progress_bar(numbers, desc=title, unit=unit, leave=False)

    measures = options.measures or MEASURES
    check_measures(measures)
    device = resolve_device(options.device)
    G = load_generator(options.checkpoint, device)
    dataset = open_dataset(options.image_folder_path, resolution_of(G.trained_step), progress=bar("decoding", "img"))
    sample = draw_sample(G, dataset, options.n, options.seed, options.truncation_psi, bar("drawing", "face"))
    say = lambda text: print(f"measuring: {text}", file=sys.stderr)  # noqa: E731
    verdict = judge(sample, dataset, measures, options.seed, device, say)
    about = {"checkpoint": G.checkpoint_hash, "image_folder_path": options.image_folder_path, "images": len(dataset)}
    about |= {"seed": options.seed, "truncation_psi": options.truncation_psi}
    text = json.dumps(about | verdict.values, indent=1)
    write_bytes(Path(options.out) / "metrics.json", f"{text}\n".encode())
    if verdict.sheet is not None:
        seeds = [row["seed"] for row in verdict.values["nearest"]["closest"]]
        write_image(Path(options.out) / "nearest.png", verdict.sheet, Mark(COMPOSITE, about | {"seeds": seeds}))
    print(text)
    return 0

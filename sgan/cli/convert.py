"""The command `convert`: any checkpoint that can be read into a file of ours, of rosinality's program, or ONNX."""

import argparse
import sys
from collections.abc import Sequence

from sgan.weights.convert import WRITERS, convert


def add_convert(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `convert`."""
    formats = ", ".join(f"{ending} ({writer.help})" for ending, writer in WRITERS.items())
    parser.description = f"Turn a checkpoint into another format, told by the ending of OUT: {formats}."
    parser.add_argument("source", metavar="IN", help="a checkpoint of this project or another, or a folder of one")
    parser.add_argument("target", metavar="OUT", help=f"a file ending in one of {', '.join(WRITERS)}")
    parser.add_argument("--generator_only", action="store_true", help="leave the discriminator out")
    parser.add_argument(
        "--class", type=int, dest="class_index", metavar="N",
        help="of networks with classes: class N alone, as networks without classes, whose training can go on",
    )  # fmt: skip
    parser.set_defaults(run=run_convert)


def run_convert(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """`convert`: writes one file and says what it holds."""
    report = convert(options.source, options.target, options.generator_only, options.class_index)
    for note in report.notes:
        print(f"note: {note}", file=sys.stderr)
    print(report.text)
    return 0

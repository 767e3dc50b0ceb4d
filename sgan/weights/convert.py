"""Checkpoints out: `convert` reads any format and writes one of WRITERS.

Light to import, since the command line's help reads the table: what writes a file is imported when it is needed.
"""

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from sgan.config import ConfigError

if TYPE_CHECKING:
    from sgan.weights.foreign import Foreign


def _write_ours(weights: "Foreign", path: Path, target: Path) -> str:
    from sgan.weights.checkpoint import write_ours

    return write_ours(weights, path, target)


def _write_rosinality(weights: "Foreign", path: Path, target: Path) -> str:
    from sgan.weights.rosinality import write_rosinality

    return write_rosinality(weights, path, target)


def _write_onnx(weights: "Foreign", path: Path, target: Path) -> str:
    from sgan.weights.onnx import write_onnx

    return write_onnx(weights, path, target)


class Writer(NamedTuple):
    """A format: write(weights, the file they come from, target) returns what to say about the file that it wrote.

    trains: it can hold a discriminator. CheckpointError or ConfigError for what it cannot express; more to tell goes
    into weights.notes.
    """

    write: Callable[["Foreign", Path, Path], str]
    help: str
    trains: bool = True


WRITERS = {
    ".safetensors": Writer(_write_ours, "this project; keeps the discriminator, so that training can go on"),
    ".pt": Writer(_write_rosinality, "rosinality/stylegan2-pytorch"),
    ".onnx": Writer(_write_onnx, "the generator alone, as an ONNX program", trains=False),
}  # by the ending that names it


@dataclass
class Report:
    """What a conversion did, in a sentence, and what the user should know besides."""

    text: str
    notes: list[str] = field(default_factory=list)


def convert(
    source: str | Path, target: str | Path, generator_only: bool = False, class_index: int | None = None
) -> Report:
    """Reads a checkpoint of any known program and writes `target` in the format that its ending names.

    class_index makes networks with classes into those of one class. ConfigError for another ending or class,
    CheckpointError (or ValueError) for what cannot be read or expressed.
    """
    target = Path(target)
    if target.suffix not in WRITERS:
        raise ConfigError(f"{target} ends in none of {', '.join(WRITERS)}, which name the formats to write")
    from sgan.weights.checkpoint import read_weights
    from sgan.weights.formats import opening_notes
    from sgan.weights.nvidia import choose_class

    writer = WRITERS[target.suffix]
    trains = writer.trains and not generator_only
    path = _find(source, trains)
    if target.exists() and target.samefile(path):
        raise ConfigError(f"{target} is the file to read; name another one to write")
    weights = read_weights(path)
    if class_index is not None:
        weights = choose_class(weights, class_index, path)
    if weights.config.c_dim and "D" in weights.networks and trains:
        weights.notes.append("its discriminator, which judges classes, was left out; --class N keeps it, for one class")
    if not trains or weights.config.c_dim:
        weights.networks.pop("D", None)
    text = writer.write(weights, path, target)
    return Report(text, opening_notes(weights, path))


def _find(source: str | Path, trains: bool) -> Path:
    """The file to read; in a folder a state rather than a generator, where the discriminator is wanted."""
    from sgan.weights.checkpoint import find_checkpoint
    from sgan.weights.foreign import CheckpointError

    if trains:
        with suppress(CheckpointError):
            return find_checkpoint(source, "state")
    return find_checkpoint(source)

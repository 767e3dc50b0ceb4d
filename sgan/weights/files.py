"""Checkpoint files of ours as far as they need no PyTorch: finding one, its header, its checksum, its arrays."""

import hashlib
import json
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError, safe_open

from sgan.config import (
    DEFAULT_CHECKPOINT,
    FOREIGN_NAME,
    STATE_PATTERN,
    ConfigError,
    ModelConfig,
    TrainConfig,
    from_dict,
)
from sgan.networks.shapes import misfit

FORMAT = "random-unreal-face"
FORMAT_VERSION = 1
GENERATOR_NAME = "generator.safetensors"
BEST_NAME = "best.safetensors"  # the state that was judged best
SHIPPED = Path(__file__).resolve().parents[2] / DEFAULT_CHECKPOINT  # beside the packages, also where they are installed
KINDS = {"BOOL", "U8", "I8", "I16", "I32", "I64", "F16", "F32", "F64"}  # of numbers, which numpy has as well

Row = tuple[str, str, tuple[int, ...], Any]  # a tensor: its name, PyTorch's name of its dtype, its shape, its bytes


class CheckpointError(ValueError):
    """A checkpoint that is missing, damaged or of another kind; the message names the file."""


class TorchNeeded(CheckpointError):
    """A checkpoint that takes PyTorch to read."""


def nimg_of(path: Path) -> int:
    """The image count in a state's file name."""
    return int(path.stem.split("-")[1])


def newest_state(run_dir: str | Path) -> Path | None:
    """The newest state file of a run folder, or None."""
    states = sorted(Path(run_dir).glob(STATE_PATTERN))
    return states[-1] if states else None


def is_safetensors(path: str | Path) -> bool:
    """Whether a file starts like a safetensors file: the length of a JSON header, then the header."""
    head = head_of(path)
    return len(head) > 8 and head[8:9] == b"{" and int.from_bytes(head[:8], "little") < os.path.getsize(path)


def is_ours(path: Path) -> bool:
    """Whether a file is to be read as one of this project's."""
    return path.suffix == ".safetensors" or is_safetensors(path)


def head_of(path: str | Path) -> bytes:
    """The first bytes of a file."""
    with open(path, "rb") as file:
        return file.read(64)


def file_hash(path: Path) -> str:
    """SHA-256 of a file."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while part := file.read(2**20):
            digest.update(part)
    return digest.hexdigest()


def find_checkpoint(path: str | Path, kind: str = "generator") -> Path:
    """`path` itself if it is a file; in a folder the newest state, or for drawing a generator.safetensors as new.

    Where there is no folder DEFAULT_CHECKPOINT, that name means the one that comes with the project.
    """
    path = Path(path)
    if path == Path(DEFAULT_CHECKPOINT) and not path.exists():
        path = SHIPPED
    if path.is_dir():
        if kind == "generator" and (path / GENERATOR_NAME).is_file() and not _is_behind(path):
            return path / GENERATOR_NAME
        foreign = path / FOREIGN_NAME
        found = newest_state(path) or (foreign if foreign.is_file() else None)
        if found is None:
            raise CheckpointError(f"{path} holds no {kind} (looked for {STATE_PATTERN} and {FOREIGN_NAME})")
        return found
    if not path.exists():
        raise CheckpointError(f"{path} does not exist; give a checkpoint file or the folder of one")
    return path


def _is_behind(run_dir: Path) -> bool:
    """Whether the training went on after it wrote its generator, which it does when it ends or is stopped."""
    newest = newest_state(run_dir)
    return newest is not None and read_header(run_dir / GENERATOR_NAME)[1].get("nimg", 0) < nimg_of(newest)


def newer_note(given: str | Path, path: Path) -> list[str]:
    """What to tell when not a folder's generator is drawn, but the state that it found there."""
    if path.name == GENERATOR_NAME or not (Path(given) / GENERATOR_NAME).is_file():
        return []
    return [f"{path} is drawn, which is newer than {GENERATOR_NAME} beside it"]


def config_of(kind: type, meta: dict[str, Any], path: str | Path, part: str = "config") -> Any:
    """A config from a header; CheckpointError when it makes none."""
    try:
        return from_dict(kind, meta[part])
    except (ConfigError, TypeError, KeyError, AttributeError) as error:
        raise CheckpointError(f"{path} describes no model that this version knows ({error})") from None


def drawn_step(meta: dict[str, Any], path: Path) -> int:
    """The last layer that has faded in, of a file of ours."""
    config = config_of(ModelConfig, meta, path)
    if meta["kind"] != "state":
        return config.max_step
    step, alpha = config_of(TrainConfig, meta, path).schedule(meta["nimg"])
    return max(step - (alpha < 1), config.min_step)


def check_sizes(config: ModelConfig, tensors: dict[str, Any], path: str | Path) -> None:
    """CheckpointError unless a file's tensors fit its config; before a network takes memory for it."""
    wrong = misfit(config, {name: tuple(tensor.shape) for name, tensor in tensors.items()})
    if wrong:
        raise CheckpointError(f"{path} does not fit the network that its own settings describe: it {wrong}")


def read_header(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """(header, meta) of a file of ours; CheckpointError names the file and what is wrong with it."""
    try:
        with safe_open(path, framework="np") as file:
            header = file.metadata() or {}
    except (SafetensorError, OSError, ValueError) as error:
        raise CheckpointError(f"{path} is no readable safetensors file ({error})") from None
    if header.get("format") != FORMAT:
        raise CheckpointError(f"{path} is a safetensors file, but no checkpoint of this project")
    try:
        version, meta = int(header["format_version"]), json.loads(header["meta"])
        kind = str(meta["kind"])
    except (KeyError, TypeError, ValueError, RecursionError):
        raise CheckpointError(f"{path} is damaged: its header cannot be read") from None
    if version > FORMAT_VERSION:
        raise CheckpointError(f"{path} has format version {version}; update the project to read it")
    if kind not in ("state", "generator", "detail", "detail state"):
        raise CheckpointError(
            f"{path} is a {kind[:40]}, which this version does not know; update the project to read it"
        )
    return header, meta


def read_generator(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]]:
    """(float32 arrays of the generator to draw with, meta) of a file of ours.

    CheckpointError names the file and what is wrong with it; TorchNeeded when numpy has no such numbers.
    """
    header, meta = read_header(path)
    prefix = "" if meta["kind"] == "generator" else "G_ema."
    kept: dict[str, np.ndarray] = {}

    def rows() -> Iterator[Row]:
        for name in sorted(file.keys()):
            if file.get_slice(name).get_dtype() not in KINDS:
                raise TorchNeeded(f"{path} holds numbers of a kind that numpy does not have")
            array = file.get_tensor(name)
            if name.startswith(prefix):
                kept[name.removeprefix(prefix)] = array.astype(np.float32, copy=False)
            yield name, f"torch.{array.dtype.name}", array.shape, array.data if array.size else b""

    with safe_open(path, framework="np") as file:
        verify(header, rows(), path)
    return kept, meta


def verify(header: dict[str, str], rows: Iterable[Row], path: Path) -> None:
    """CheckpointError unless a file's rows have the checksum that its header tells."""
    if header.get("checksum") != checksum(rows):
        raise CheckpointError(f"{path} is damaged: its tensors do not match their checksum")


def checksum(rows: Iterable[Row]) -> str:
    """SHA-256 over the tensors of a file, which come sorted by name."""
    digest = hashlib.sha256()
    for name, dtype, shape, data in rows:
        digest.update(f"{name} {dtype} {shape}\0".encode())
        digest.update(data)
    return digest.hexdigest()

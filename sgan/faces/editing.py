"""Directions in w along which a face changes, found without labels, and steps along them.

A checkpoint may have a file `directions.json` beside it: directions that a person has looked at and named.
"""

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from provenance import write_bytes
from sgan.config import ConfigError, ModelConfig
from sgan.faces.drawer import Drawer, as_drawer
from sgan.weights.files import find_checkpoint

if TYPE_CHECKING:
    from sgan.networks.generator import Generator

KINDS = ("weights", "samples")
DIRECTIONS_NAME = "directions.json"
FORMAT, VERSION = "random-unreal-face directions", 1
MAX_BYTES = 2**23
SAMPLES = 4096  # w whose spread is measured
# Layers by what they carry (arXiv 1812.04948, section 3.1): 4 to 8, 16 to 32, and 64 pixels upwards.
RANGES = {"all": range(0, 9), "coarse": range(0, 2), "middle": range(2, 4), "fine": range(4, 9)}


@dataclass(frozen=True)
class Directions:
    """Unit vectors [K, w_dim], strongest first, and the standard deviation [K] of w along each."""

    vectors: np.ndarray
    deviations: np.ndarray


@dataclass(frozen=True)
class Edit:
    """A step of `amount` standard deviations along direction `index` of a kind, in the layers of a range."""

    kind: str
    layers: str
    index: int
    amount: float


@dataclass(frozen=True)
class NamedDirection:
    """A direction with a name: unit vector [w_dim], the range of layers that it moves, the standard deviation of w
    along it, and the amounts, in these, between which faces stay faces.
    """

    name: str
    layers: str
    vector: np.ndarray
    deviation: float
    low: float
    high: float


@dataclass(frozen=True)
class NamedEdit:
    """A step of `amount` standard deviations along a named direction."""

    name: str
    amount: float


def load_directions(checkpoint: str | Path, G: "Drawer | Generator") -> list[NamedDirection]:
    """The named directions beside a checkpoint; none where it has none, or where they are of another checkpoint.

    ValueError naming the file when it is damaged.
    """
    path = find_checkpoint(checkpoint).parent / DIRECTIONS_NAME
    if not path.is_file() or path.stat().st_size > MAX_BYTES:
        return []
    try:
        content = json.loads(path.read_bytes())
        if content["format"] != FORMAT or content["version"] > VERSION or content["checkpoint"] != G.checkpoint_hash:
            return []
        return [_named(row, G) for row in content["directions"]]
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ValueError(f"{path} is damaged ({error}); remove it, or fetch it again") from None


def _named(row: Mapping[str, Any], G: "Drawer | Generator") -> NamedDirection:
    vector = np.array(row["vector"], np.float32)
    numbers = [float(row["deviation"]), *(float(end) for end in row["range"])]
    if vector.shape != (G.config.dim_latent,) or not np.isfinite(vector).all():
        raise ValueError("a vector is not one of w")
    if len(numbers) != 3 or not all(map(math.isfinite, numbers)) or row["layers"] not in RANGES:
        raise ValueError("a range or its layers make no sense")
    if not numbers[1] <= 0 <= numbers[2] or numbers[1] == numbers[2]:
        raise ValueError("a range does not lie around 0")
    return NamedDirection(str(row["name"])[:40], row["layers"], vector, *numbers)


def save_directions(
    path: str | Path, checkpoint_hash: str, directions: Sequence[NamedDirection], notes: Sequence[Mapping[str, Any]]
) -> None:
    """Writes named directions; notes: what else to keep of each, such as how it was found and what it changes."""
    rows = [
        {
            "name": d.name,
            "layers": d.layers,
            "range": [d.low, d.high],
            "deviation": d.deviation,
            **note,
            "vector": [round(x, 7) for x in d.vector.tolist()],
        }
        for d, note in zip(directions, notes)
    ]
    content = {"format": FORMAT, "version": VERSION, "checkpoint": checkpoint_hash, "directions": rows}
    write_bytes(path, (json.dumps(content, indent=1) + "\n").encode())


def parse_edits(texts: Sequence[str], named: Sequence[NamedDirection]) -> list["Edit | NamedEdit"]:
    """Edits from texts such as "smile=1.5" or, for a direction without a name, "samples.coarse.1=-2".

    ConfigError tells which names there are.
    """
    edits: list[Edit | NamedEdit] = []
    for text in texts:
        name, _, number = text.rpartition("=")
        kind, *rest = name.split(".")
        try:
            amount = float(number)
        except ValueError:
            amount = math.nan
        if math.isfinite(amount) and name in [direction.name for direction in named]:
            edits.append(NamedEdit(name, amount))
        elif math.isfinite(amount) and kind in KINDS and len(rest) == 2 and rest[0] in RANGES and rest[1].isdecimal():
            edits.append(Edit(kind, rest[0], int(rest[1]) - 1, amount))
        else:
            known = ", ".join(f"{d.name} ({d.low:g} to {d.high:g})" for d in named) or "none"
            raise ConfigError(
                f"{text!r} is no edit like NAME=1.5; named directions of this checkpoint: {known}; others are written "
                f"{'|'.join(KINDS)}.{'|'.join(RANGES)}.1=1.5"
            )
    return edits


def layers_of(config: ModelConfig, name: str) -> list[int]:
    """Layers of this model in a range of RANGES; empty when it has none there."""
    return [layer for layer in RANGES[name] if config.min_step <= layer <= config.max_step]


def sample_w(G: "Drawer | Generator", n: int = SAMPLES) -> np.ndarray:
    """w [n, w_dim] of fixed latents, float32."""
    return as_drawer(G).map(np.random.RandomState(0).randn(n, G.config.z_dim).astype(np.float32))


def find_directions(
    G: "Drawer | Generator", kind: str, layers: str = "all", count: int = 8, w: np.ndarray | None = None
) -> Directions:
    """The `count` strongest directions.

    kind "weights": eigenvectors of A^T A, A the style weights of the convolutions in those layers (closed-form
    factorisation, arXiv 2007.06600, equation 5). kind "samples": principal components of w (arXiv 2004.02546,
    section 2.1), the same for all layers. w [N, w_dim]: samples to measure on (None: drawn here).
    """
    w = sample_w(G) if w is None else w
    centred = w - w.mean(axis=0)
    if kind == "weights":
        A = np.concatenate([as_drawer(G).style_weights(layer) for layer in layers_of(G.config, layers)])
        matrix = A.T @ A
    elif kind == "samples":
        matrix = centred.T @ centred / len(w)
    else:
        raise ValueError(f"unknown kind of directions {kind!r}; there are {', '.join(KINDS)}")
    vectors = np.linalg.eigh(matrix.astype(np.float64)).eigenvectors[:, ::-1].T[:count].astype(np.float32)
    largest = np.take_along_axis(vectors, np.abs(vectors).argmax(axis=1, keepdims=True), axis=1)
    vectors = vectors * np.sign(largest)  # an eigenvector's sign is arbitrary: the largest component is positive
    return Directions(vectors, (centred @ vectors.T).std(axis=0, ddof=1))


def apply_edits(
    G: "Drawer | Generator",
    ws: np.ndarray,
    edits: Sequence[Edit | NamedEdit],
    found: dict | None = None,
    named: Sequence[NamedDirection] = (),
) -> np.ndarray:
    """ws [N, num_ws, w_dim] after all steps. found caches directions by (kind, layers) between calls.

    ConfigError for a direction that there is not.
    """
    found, by_name = {} if found is None else found, {direction.name: direction for direction in named}
    ws = np.asarray(ws).astype(np.float32)
    for edit in edits:
        if isinstance(edit, NamedEdit):
            if edit.name not in by_name:
                raise ConfigError(f"this checkpoint has no direction named {edit.name!r}")
            direction = by_name[edit.name]
            ws[:, style_indices(G.config, direction.layers)] += direction.vector * direction.deviation * edit.amount
            continue
        key = (edit.kind, edit.layers)
        if key not in found and layers_of(G.config, edit.layers):
            found[key] = find_directions(G, *key)
        directions = found.get(key)
        if directions is None or not 0 <= edit.index < len(directions.vectors):
            raise ConfigError(f"this checkpoint has no direction {edit.kind}.{edit.layers}.{edit.index + 1}")
        move = directions.vectors[edit.index] * directions.deviations[edit.index] * edit.amount
        ws[:, style_indices(G.config, edit.layers)] += move
    return ws


def style_indices(config: ModelConfig, layers: str) -> list[int]:
    """Indices of the styles that the layers of a range consume, ascending."""
    return config.ws_of_layers(layers_of(config, layers))

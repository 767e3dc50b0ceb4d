"""Finds the strongest directions of a generator, measures what each changes and how far it can go, and names them.

    python bench/name_directions.py --checkpoint checkpoints/faces                    # directions.json and .jpg
    python bench/name_directions.py --checkpoint checkpoints/faces --rename turn smile ... # after a look at the sheet

Candidates are those of faces.editing: by the weights and by the samples, in every range of layers. The strongest are
those that change the measured faces most, less those that change them alike. The suggested name is what changes
most, in standard deviations among samples. The range ends before the first amount (in standard deviations of w) at
which a trial face is no single face for Face Mesh, or too many leave what samples at psi 1 look like: their shapes,
their detail, their colours.
"""

import argparse
import json
import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import torch

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from compare import Shapes
from measure import NAMES, Faces, align_shapes, measure

from sgan.faces.editing import (
    DIRECTIONS_NAME,
    KINDS,
    RANGES,
    NamedDirection,
    NamedEdit,
    apply_edits,
    find_directions,
    layers_of,
    load_directions,
    sample_w,
    save_directions,
)

COUNT = 8
PER_KIND = 5  # candidates of a kind and range
PER_RANGE = 3  # chosen of a range of layers at most
PICTURE_COMPONENTS = 30
REFERENCES, TRIALS, RANGE_TRIALS = 200, 8, 16  # samples at psi 1; faces at psi 0.7
REACH = 2.0  # standard deviations, to measure what a direction changes
AMOUNTS = (1, 1.5, 2, 2.5, 3, 4, 5)
ALIKE = 0.75  # cosine between the changes of two directions
KEPT = 0.9  # share of faces that must stay within the samples' limits
QUANTILE = 0.995
SUGGESTIONS = {
    "yaw": "turn", "pitch": "nod", "roll": "tilt", "mouth width": "smile", "mouth corners": "mouth corners",
    "mouth open": "open mouth", "eyes open": "open eyes", "brows": "raised brows", "face width": "wide face",
    "jaw width": "wide jaw", "face size": "closer", "skin lightness": "light skin", "skin red": "rosy skin",
    "skin yellow": "warm skin", "hair lightness": "light hair", "hair red": "red hair", "hair yellow": "blond hair",
    "hair length": "long hair", "background lightness": "light background", "light from the left": "side light",
    "lip red": "red lips", "detail": "detail",
}  # fmt: skip


def draw(G, ws):
    """Pictures of ws, one by one."""
    from sgan import draw_images

    return draw_images(G, ws, step=G.trained_step)


class Limits:
    """What samples look like: spread of the attributes, and how far their shapes lie from the mean one."""

    def __init__(self, faces: Faces):
        aligned, self.reference = align_shapes(faces.points[faces.whole])
        self.shapes = Shapes(aligned)
        self.spread = np.nanstd(faces.attributes, axis=0) + 1e-6
        self.farthest = np.quantile(self.distance(faces), QUANTILE)
        detail = faces.columns("detail")[:, 0]
        self.detail = np.quantile(detail, [1 - QUANTILE, QUANTILE])
        pictures = faces.small[faces.whole].reshape(faces.whole.sum(), -1) / 255.0
        self.mean = pictures[::2].mean(axis=0)
        _, values, vectors = np.linalg.svd(pictures[::2] - self.mean, full_matrices=False)
        self.components = vectors[:PICTURE_COMPONENTS]
        self.deviations = values[:PICTURE_COMPONENTS] / np.sqrt(len(pictures[::2]))
        self.strangest = self.strangeness(pictures[1::2]).max(axis=0)  # of those that it was not learned from

    def strangeness(self, pictures: np.ndarray) -> np.ndarray:
        """[N, 2]: how far small pictures lie from the samples' mean, along their components and beside these."""
        moved = pictures - self.mean
        along = moved @ self.components.T
        beside = np.square(moved).sum(axis=1) - np.square(along).sum(axis=1)
        return np.stack([np.linalg.norm(along / self.deviations, axis=1), beside], axis=1)

    def distance(self, faces: Faces) -> np.ndarray:
        """Mahalanobis distance of the shapes of the rows with one face."""
        aligned, _ = align_shapes(faces.points[faces.whole], self.reference)
        return np.linalg.norm(self.shapes.project(aligned) / self.shapes.deviations, axis=1)

    def keep(self, faces: Faces) -> bool:
        """Whether these are all single faces, most of them like samples."""
        if not faces.whole.all():
            return False
        detail = faces.columns("detail")[:, 0]
        inside = (self.distance(faces) <= self.farthest) & (detail >= self.detail[0]) & (detail <= self.detail[1])
        pictures = faces.small.reshape(len(faces.small), -1) / 255.0
        inside &= (self.strangeness(pictures) <= self.strangest).all(axis=1)
        return bool(inside.mean() >= KEPT)


def candidates(G) -> list[tuple[str, NamedDirection]]:
    """(how it was found, direction) of all that are tried."""
    w, found = sample_w(G), []
    for kind in KINDS:
        for layers in RANGES:
            if not layers_of(G.config, layers):
                continue
            directions = find_directions(G, kind, layers, PER_KIND, w)
            for i, (vector, deviation) in enumerate(zip(directions.vectors, directions.deviations)):
                direction = NamedDirection("", layers, vector, float(deviation), -REACH, REACH)
                found.append((f"{kind}.{layers}.{i + 1}", direction))
    return found


def moved(G, ws, direction: NamedDirection, amount: float):
    """ws after a step along one direction."""
    return apply_edits(G, ws, [NamedEdit(direction.name, amount)], named=[direction])


def change(G, ws, direction: NamedDirection, spread: np.ndarray) -> np.ndarray:
    """[len(NAMES)]: mean change of the attributes from -REACH to REACH, in standard deviations among samples."""
    low, high = (measure(draw(G, moved(G, ws, direction, sign * REACH))) for sign in (-1, 1))
    both = low.whole & high.whole
    if not both.any():
        return np.zeros(len(NAMES))
    return (high.attributes[both] - low.attributes[both]).mean(axis=0) / spread


def strongest(found: Sequence[tuple[str, NamedDirection, np.ndarray]]) -> list:
    """The COUNT that change faces most, none like another before it, and not all of the same layers."""
    chosen = []
    for candidate in sorted(found, key=lambda row: -np.linalg.norm(row[2])):
        change = candidate[2] / max(np.linalg.norm(candidate[2]), 1e-9)
        likeness = [abs(change @ other / np.linalg.norm(other)) for _, _, other in chosen]
        same = sum(other.layers == candidate[1].layers for _, other, _ in chosen)
        if len(chosen) < COUNT and same < PER_RANGE and all(value < ALIKE for value in likeness):
            chosen.append(candidate)
    return chosen


def suggest(chosen: Sequence[tuple[str, NamedDirection, np.ndarray]]) -> list[tuple[str, NamedDirection, np.ndarray]]:
    """The same with names, each turned so that what gives its name grows."""
    named, taken = [], set()
    for origin, direction, effect in chosen:
        order = [i for i in np.argsort(-np.abs(effect)) if SUGGESTIONS[NAMES[i]] not in taken]
        name, sign = SUGGESTIONS[NAMES[order[0]]], np.sign(effect[order[0]]) or 1.0
        taken.add(name)
        vector = direction.vector * float(sign)
        named.append((origin, replace(direction, name=name, vector=vector), effect * sign))
    return named


def usable(G, ws, direction: NamedDirection, limits: Limits) -> NamedDirection:
    """The direction with its measured range."""
    ends = []
    for sign in (-1, 1):
        end = 0.0
        for amount in AMOUNTS:
            if not limits.keep(measure(draw(G, moved(G, ws, direction, sign * amount)))):
                break
            end = sign * float(amount)
        ends.append(end or sign * 0.5)
    return replace(direction, low=ends[0], high=ends[1])


def write_sheet(
    path: Path, G, named: Sequence[NamedDirection], seeds: Sequence[int] = (3, 11), columns: int = 7
) -> None:
    """One row for each direction, from its lowest amount to its highest, for two faces."""
    from PIL import Image, ImageDraw

    from provenance import GENERATED, Mark, write_image
    from sgan import seeds_to_ws

    ws, side, left, top = seeds_to_ws(G, seeds, 0.7), 96, 150, 18
    rows = len(named)
    width = left + (columns * side + 12) * len(seeds)
    sheet = Image.new("RGB", (width, rows * (side + top)), "white")
    pen = ImageDraw.Draw(sheet)
    for r, direction in enumerate(named):
        pen.text((6, r * (side + top) + 50), f"{direction.name}\n{direction.layers} layers", "black")
        amounts = np.linspace(direction.low, direction.high, columns)
        amounts[np.abs(amounts).argmin()] = 0.0
        for s in range(len(seeds)):
            for c, amount in enumerate(amounts):
                x, y = left + s * (columns * side + 12) + c * side, r * (side + top)
                (picture,) = draw(G, moved(G, ws[s : s + 1], direction, float(amount)))
                small = Image.fromarray(picture).resize((side, side), Image.Resampling.LANCZOS)
                sheet.paste(small, (x, y + top))
                pen.text((x + 34, y + 3), f"{amount:+.1f}" if amount else "0", "black")
    settings = {"checkpoint": G.checkpoint_hash, "seeds": list(seeds), "truncation_psi": 0.7}
    write_image(path, np.asarray(sheet), Mark(GENERATED, settings))


@torch.no_grad()
def find(G) -> tuple[list[NamedDirection], list[dict]]:
    """(named directions, what is kept of each) of a generator."""
    from tqdm.auto import tqdm

    from sgan import seeds_to_ws

    limits = Limits(measure(draw(G, tqdm(seeds_to_ws(G, range(1000, 1000 + REFERENCES)), desc="samples"))))
    ws = seeds_to_ws(G, range(TRIALS), 0.7)
    tried = [(*one, change(G, ws, one[1], limits.spread)) for one in tqdm(candidates(G), desc="directions")]
    named, notes = [], []
    trials = seeds_to_ws(G, range(100, 100 + RANGE_TRIALS), 0.7)
    for origin, direction, effect in tqdm(suggest(strongest(tried)), desc="ranges"):
        named.append(usable(G, trials, direction, limits))
        order = np.argsort(-np.abs(effect))[:6]
        notes.append({"found_as": origin, "changes": {NAMES[i]: round(float(effect[i]), 2) for i in order}})
    return named, notes


def change_names(path: Path, named: list[NamedDirection], names: Sequence[str], turned: Sequence[int]) -> tuple:
    """(directions, notes) of a file under other names ("-" leaves one), those of the given numbers turned round."""
    rows = json.loads(path.read_text(encoding="utf-8"))["directions"]
    notes = [{key: row[key] for key in ("found_as", "changes")} for row in rows]
    names = list(names) or ["-"] * len(named)
    names = [d.name if name == "-" else name for d, name in zip(named, names)] if len(names) == len(named) else []
    if len(set(names)) != len(named):
        raise ValueError(f"{path} has {len(named)} directions; give as many different names")
    for i, name in enumerate(names):
        named[i] = replace(named[i], name=name)
        if i + 1 in turned:
            named[i] = replace(named[i], vector=-named[i].vector, low=-named[i].high, high=-named[i].low)
            notes[i]["changes"] = {key: -value for key, value in notes[i]["changes"].items()}
    return named, notes


def main() -> None:
    from sgan import load_generator
    from sgan.weights.files import find_checkpoint

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=str(ROOT / "checkpoints" / "faces"))
    parser.add_argument(
        "--rename", nargs="+", default=[], metavar="NAME", help="names in the file's order; - keeps one"
    )
    parser.add_argument("--turn", nargs="+", default=[], type=int, metavar="N", help="numbers of those to turn round")
    options = parser.parse_args()
    G = load_generator(options.checkpoint)
    path = find_checkpoint(options.checkpoint).parent / DIRECTIONS_NAME
    if options.rename or options.turn:
        named = load_directions(options.checkpoint, G)
        if not named:
            parser.error(f"{path} has no directions of this checkpoint yet; run without --rename and --turn first")
        named, notes = change_names(path, named, options.rename, options.turn)
    else:
        named, notes = find(G)
    save_directions(path, G.checkpoint_hash, named, notes)
    write_sheet(path.with_suffix(".jpg"), G, named)
    for number, (direction, note) in enumerate(zip(named, notes), 1):
        changes = ", ".join(f"{name} {value:+.1f}" for name, value in note["changes"].items())
        print(f"{number} {direction.name} ({note['found_as']}, {direction.low:g} to {direction.high:g}): {changes}")


if __name__ == "__main__":
    main()

"""How good the faces of a checkpoint are, against the pictures that it was trained on.

    python bench/check_faces.py --checkpoint checkpoints/faces --images faces --seeds 1000

Appends one JSON row to bench/results/faces.jsonl, writes the table bench/results/faces.md, and puts a sheet of the
samples that are most like a training picture into --out. Without --images only faces are counted. Measurements of the
training pictures are kept in the cache, so that the next run is quick. Face Mesh accepts most things with eyes, and
the groups are told by a linear rule: these are floors, not goals.
"""

import argparse
import json
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

from compare import (
    SURE,
    Groups,
    Shapes,
    crop_components,
    frechet,
    group_accuracy,
    half_distances,
    mean_pairwise,
    nearest,
    shares_of,
)
from measure import Faces, align_shapes, measure, training_faces

SKIN, HAIR = ("skin lightness", "skin red", "skin yellow"), ("hair lightness", "hair red", "hair yellow")
BARS = {
    "exactly one face, psi 0.7": (">=", 0.995),
    "exactly one face, psi 1.0": (">=", 0.98),
    "high-frequency energy in the face, octaves": ("within", 0.3),
    "spread of shapes": (">=", 0.9),
    "spread of skin colours": (">=", 0.9),
    "spread of hair colours": (">=", 0.9),
    "Frechet distance of shapes, in halves of the training set": ("<=", 5.0),
    "groups that appear": (">=", 8),
}
SHEET_PAIRS = 12


def draw(G, seeds: int, psi: float, spent: list[float]) -> Iterator[np.ndarray]:
    """Pictures of seeds 0 to seeds - 1; seconds per picture go into spent."""
    from tqdm.auto import tqdm

    from sgan import draw_images, seeds_to_ws

    for seed in tqdm(range(seeds), desc=f"psi {psi:g}", unit="face"):
        start = time.perf_counter()
        (picture,) = draw_images(G, seeds_to_ws(G, [seed], psi), step=G.trained_step)
        spent.append(time.perf_counter() - start)
        yield picture


class Training:
    """What is learned from the training pictures once: shapes, components and the rule that tells groups."""

    def __init__(self, faces: Faces, groups: list[str]):
        self.faces = faces
        self.groups = [group for group, whole in zip(groups, faces.whole) if whole]
        aligned, self.reference = align_shapes(faces.points[faces.whole])
        self.aligned, self.shapes = aligned, Shapes(aligned)
        self.mean, self.vectors = crop_components(faces.crops[faces.whole])
        self.rule = Groups(self.features(faces), self.groups)

    def align(self, faces: Faces) -> np.ndarray:
        """[M, 468, 2]: the shapes of the rows with one face on this set's reference."""
        return align_shapes(faces.points[faces.whole], self.reference)[0]

    def features(self, faces: Faces) -> np.ndarray:
        """[M, D]: by which groups are told."""
        crops = faces.crops[faces.whole].reshape(faces.whole.sum(), -1)
        parts = [self.shapes.project(self.align(faces)), (crops - self.mean) @ self.vectors.T]
        return np.concatenate([*parts, faces.columns(*SKIN, *HAIR, "hair length")], axis=1)


def shape_distance(training: Training, faces: Faces) -> float:
    """Frechet distance of the shapes from the training set's, in that of two random halves of it."""
    projected = training.shapes.project(training.aligned)
    return frechet(training.shapes.project(training.align(faces)), projected) / half_distances(projected)


def drawn_by(training: Training, balance: float) -> dict[str, float]:
    """The bars' figures of the training pictures themselves, drawn as training with `balance` draws them.

    That is what a generator has that learned exactly what it was shown. Equal groups are not the collection as it was
    found: where fair hair belongs to its largest group, drawing the others more often makes hair more alike.
    """
    shares, own = shares_of(training.groups, balance), training.faces
    ratio = lambda values: mean_pairwise(values, shares) / mean_pairwise(values)  # noqa: E731
    projected = training.shapes.project(training.aligned)
    return {
        "spread of shapes": ratio(training.aligned),
        "spread of skin colours": ratio(own.columns(*SKIN)),
        "spread of hair colours": ratio(own.columns(*HAIR)),
        "Frechet distance of shapes, in halves of the training set": frechet(projected, projected, shares)
        / half_distances(projected),
    }


def compare(training: Training, faces: Faces) -> dict:
    """The figures that need training pictures; `faces` at psi 1.0."""
    own, aligned = training.faces, training.align(faces)
    chance = training.rule.probabilities(training.features(faces))
    sure = [training.rule.names[i] for i, p in zip(chance.argmax(axis=1), chance.max(axis=1)) if p >= SURE]
    accuracy = group_accuracy(training.features(own), training.groups)
    counts = {name: sure.count(name) for name in training.rule.names}
    distance, index = nearest(faces.small, own.small)
    among, _ = nearest(own.small, own.small, same=True)
    quantiles = lambda values: [round(float(q), 2) for q in np.quantile(values, [0, 0.01, 0.5])]  # noqa: E731
    return {
        "high-frequency energy in the face, octaves": float(
            np.log2(faces.energy[faces.whole].mean() / own.energy[own.whole].mean())
        ),
        "spread of shapes": mean_pairwise(aligned) / mean_pairwise(training.aligned),
        "spread of skin colours": mean_pairwise(faces.columns(*SKIN)) / mean_pairwise(own.columns(*SKIN)),
        "spread of hair colours": mean_pairwise(faces.columns(*HAIR)) / mean_pairwise(own.columns(*HAIR)),
        "Frechet distance of shapes, in halves of the training set": shape_distance(training, faces),
        "groups that appear": sum(count > 0 for count in counts.values()),
        "groups": counts,
        "group_accuracy": {name: round(value, 3) for name, value in accuracy.items()},
        "training_one_face": float(own.whole.mean()),
        "nearest_training": quantiles(distance),
        "nearest_among_training": quantiles(among[among > 1]),
        "doubles_in_training": int((among <= 1).sum()),
        "pairs": [(int(i), int(index[i])) for i in np.argsort(distance)[:SHEET_PAIRS]],
    }


def passes(name: str, value: float) -> bool:
    """Whether a figure meets its bar."""
    kind, bar = BARS[name]
    return abs(value) <= bar if kind == "within" else value >= bar if kind == ">=" else value <= bar


def table(row: dict) -> str:
    """The row as a markdown table and sentences."""
    lines = ["| measured over the seeds | value | bar | met | drawn pictures |", "|---|---|---|---|---|"]
    drawn = row.get("drawn", {})
    for name, (kind, bar) in BARS.items():
        if name in row:
            met = "yes" if passes(name, row[name]) else "no"
            own = f"{drawn[name]:.3f}" if name in drawn else ""
            lines.append(f"| {name} | {row[name]:.3f} | {kind} {bar:g} | {met} | {own} |")
    lines += ["", f"Checkpoint {row['checkpoint'][:12]}, {row['resolution']} pixels, {row['seeds']} seeds, "
              f"{row['sec_per_sample'] * 1000:.0f} ms a sample; psi 1.0 where nothing else is said."]  # fmt: skip
    if "shapes_unflipped" in row:
        lines[-1] += (
            " Training pictures are compared as training shows them, each turned left to right or not; from them as "
            f"they were found the shapes are {row['shapes_unflipped']:.1f} times the halves' distance away."
        )
    if drawn:
        lines[-1] += (
            f' "Drawn pictures" are training pictures drawn with --balance {row["balance"]:g}, as training drew them '
            "last: what a generator would have that had learned exactly these."
        )
    if "groups" in row:
        counts = ", ".join(f"{name} {n}" for name, n in row["groups"].items())
        right = ", ".join(f"{name} {share:.0%}" for name, share in row["group_accuracy"].items())
        (low, one, middle), (low2, one2, middle2) = row["nearest_training"], row["nearest_among_training"]
        lines += [
            f"Groups told with a probability of at least {SURE:g}: {counts}. Told right among training pictures that "
            f"the rule had not seen: {right}.",
            f"Distance to the nearest training picture (grey levels at 32 pixels; smallest, 1 % quantile, median): "
            f"{low:g}, {one:g}, {middle:g}; of training pictures among themselves, {row['doubles_in_training']} "
            f"doubles aside: {low2:g}, {one2:g}, {middle2:g}.",
        ]
    return "\n".join(lines) + "\n"


def write_sheet(path: Path, G, pairs: list[tuple[int, int]], paths: list[str]) -> None:
    """Samples above, the training pictures most like them below."""
    from PIL import Image

    from sgan import draw_images, seeds_to_ws
    from sgan.data.pictures import decode_image

    side = max(2 ** (G.trained_step + 2), 128)
    enlarge = lambda p: np.asarray(Image.fromarray(p).resize((side, side), Image.Resampling.LANCZOS))  # noqa: E731
    above = [enlarge(next(draw_images(G, seeds_to_ws(G, [seed]), step=G.trained_step))) for seed, _ in pairs]
    below = [enlarge(decode_image(paths[i], 2 ** (G.trained_step + 2))) for _, i in pairs]
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.concatenate([np.concatenate(above, axis=1), np.concatenate(below, axis=1)])).save(path)


def trained_balance(checkpoint: str) -> float:
    """`balance` of the training that made a checkpoint, by the settings beside it; 0 where it has none."""
    path = Path(checkpoint)
    beside = (path if path.is_dir() else path.parent) / "generator.json"
    return json.loads(beside.read_text(encoding="utf-8"))["training"]["balance"] if beside.is_file() else 0.0


def check(options: argparse.Namespace) -> dict:
    """The row of one checkpoint."""
    from sgan import load_generator

    G, spent = load_generator(options.checkpoint), []
    resolution = 2 ** (G.trained_step + 2)
    row = {"checkpoint": G.checkpoint_hash, "resolution": resolution, "seeds": options.seeds}
    for psi in (0.7, 1.0):
        faces = measure(draw(G, options.seeds, psi, spent))
        row[f"exactly one face, psi {psi}"] = float(faces.whole.mean())
        row[f"not one face, psi {psi}"] = np.flatnonzero(~faces.whole)[:20].tolist()
    row["sec_per_sample"] = round(float(np.median(spent)), 4)
    if options.images:
        own, groups, paths = training_faces(options.images, resolution, options.cache, options.flip)
        training = Training(own, groups)
        row |= compare(training, faces)
        row["balance"] = trained_balance(options.checkpoint)
        row["drawn"] = {name: round(value, 4) for name, value in drawn_by(training, row["balance"]).items()}
        if options.flip:
            found = Training(*training_faces(options.images, resolution, options.cache, flip=False)[:2])
            row["shapes_unflipped"] = shape_distance(found, faces)
        write_sheet(Path(options.out) / "nearest.png", G, row.pop("pairs"), paths)
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in row.items()}


def main() -> None:
    from sgan.config import default_cache_dir

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=str(ROOT / "checkpoints" / "faces"))
    parser.add_argument("--images", help="folder of the training pictures; sub-folders are groups")
    parser.add_argument("--seeds", type=int, default=1000)
    parser.add_argument(
        "--flip",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="compare with the training pictures turned left to right or not, as training with --flip shows them",
    )
    parser.add_argument("--out", default=str(ROOT / "results" / "check"), help="folder of the sheet")
    parser.add_argument("--cache", default=str(default_cache_dir() / "bench"), help="folder of measurements that stay")
    options = parser.parse_args()
    row = check(options)
    results = ROOT / "bench" / "results"
    results.mkdir(parents=True, exist_ok=True)
    with open(results / "faces.jsonl", "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")
    (results / "faces.md").write_text(table(row), encoding="utf-8")
    print(table(row))


if __name__ == "__main__":
    main()

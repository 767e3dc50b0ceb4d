"""Puts a trained checkpoint into a folder with all that is kept beside it, and renews the measured part of its card.

    python bench/ship.py --state RUN/state-000100000.safetensors --out checkpoints/faces --images faces \\
        --stage RUN1:68016 --stage RUN2:24016 --stage RUN:100000 --milestones RUN/state-*.safetensors

Writes generator.safetensors, generator.json (settings, journal of changes, hash), stats.jsonl and losses.png of the
stages one after the other, grids of seeds 0 to 63, and for the milestones curve.jsonl, curve.png and milestones.jpg.
Then run name_directions.py and check_faces.py for the checkpoint, and this again with --card_only: it writes the title
and the section "Measured" of README.md from bench/results/faces.md and these files, and leaves the rest as it is.
"""

import argparse
import json
import re
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

GRID_SEEDS = range(64)
MILESTONE_SEEDS = range(10)
CURVE_SEEDS, CURVE_IMAGES = 150, 300
CURVES = {
    "swd": "sliced Wasserstein distance to training pictures (x 1000)",
    "one_face": "share of samples with exactly one face, psi 1",
    "octaves": "log2 of high-frequency energy in the face against training pictures",
}


def parse_stage(text: str) -> tuple[Path, int]:
    """(run folder, images taken from it) from FOLDER:IMAGES."""
    folder, _, number = text.rpartition(":")
    if not folder or not number.isdecimal():
        raise argparse.ArgumentTypeError(f"{text!r} is no FOLDER:IMAGES")
    return Path(folder), int(number)


def joined_stats(stages: list[tuple[Path, int]]) -> list[dict]:
    """The rows of stats.jsonl of all stages, images counted through."""
    rows, before = [], 0
    for number, (folder, nimg) in enumerate(stages, 1):
        for line in (folder / "stats.jsonl").read_text(encoding="utf-8").splitlines():
            row = json.loads(line)
            if row["nimg"] <= nimg:
                total = before + row["nimg"]
                rows.append({**row, "stage": number, "nimg": total, "kimg": total / 1000})
        before += nimg
    return rows


def rounded(row: dict) -> dict:
    """A row with numbers of five digits behind the point."""
    return {name: round(value, 5) if isinstance(value, float) else value for name, value in row.items()}


def write_lines(path: Path, rows: list[dict]) -> None:
    """One JSON object a line."""
    path.write_text("".join(json.dumps(rounded(row)) + "\n" for row in rows), encoding="utf-8")


def export(state_path: Path, out: Path, stages: list[tuple[Path, int]], data: str) -> None:
    """The generator, its settings, curves of the training, and grids."""
    from PIL import Image

    from provenance import GENERATED, Mark, write_image
    from sgan import draw_images, load_generator, seeds_to_ws
    from sgan.config import to_dict
    from sgan.training.state import load_state
    from sgan.viz import make_grid, plot_losses
    from sgan.weights.checkpoint import save_generator
    from sgan.weights.files import file_hash

    state = load_state(state_path)
    step, alpha = state.config.schedule(state.nimg)
    step -= alpha < 1 and step > state.config.step
    settings = {**to_dict(state.config), **to_dict(state.hparams)}
    settings = {k: v for k, v in settings.items() if not k.endswith("_path") and k != "resume_from"}
    nimg = sum(n for _, n in stages) or state.nimg
    meta = {"nimg": nimg, "training": settings, "history": state.journal, "name": out.name, "data": data}
    out.mkdir(parents=True, exist_ok=True)
    path = save_generator(state.G_ema, out / "generator.safetensors", meta, step=step)
    described = {**meta, "sha256": file_hash(path), "resolution": 2 ** (step + 2)}
    (out / "generator.json").write_text(json.dumps(described, indent=1) + "\n", encoding="utf-8")
    if stages:
        rows = joined_stats(stages)
        write_lines(out / "stats.jsonl", rows)
        Image.fromarray(plot_losses(rows)).save(out / "losses.png")
    G = load_generator(out)
    for psi in (0.7, 1.0):
        pictures = np.stack(list(draw_images(G, seeds_to_ws(G, GRID_SEEDS, psi))))
        mark = Mark(GENERATED, {"checkpoint": G.checkpoint_hash, "seeds": list(GRID_SEEDS), "truncation_psi": psi})
        for old in out.glob(f"grid-psi{psi}.*"):
            old.unlink()
        write_image(out / f"grid-psi{psi}.{'png' if len(pictures[0]) <= 64 else 'jpg'}", make_grid(pictures, 8), mark)


def images_before(path: Path, stages: list[tuple[Path, int]]) -> int:
    """Images seen before the run in whose folder a milestone lies; in another folder it is of the last stage."""
    folders = [folder.resolve() for folder, _ in stages]
    last = folders.index(path.resolve().parent) if path.resolve().parent in folders else len(stages) - 1
    return sum(n for _, n in stages[: max(last, 0)])


def milestone(path: Path, images: Path, cache: str, before: int) -> tuple[dict, np.ndarray]:
    """(row of the curve, pictures of MILESTONE_SEEDS at psi 0.7) of one state."""
    from measure import measure, training_faces

    from sgan import draw_images, load_generator, seeds_to_ws
    from sgan.data.pictures import decode_image
    from sgan.judging.metrics import swd
    from sgan.weights.files import read_header

    G = load_generator(path)
    side = 2 ** (G.trained_step + 2)
    own, _, paths = training_faces(images, side, cache)
    chosen = np.random.default_rng(0).permutation(len(paths))[:CURVE_IMAGES]
    real = np.stack([decode_image(paths[i], side) for i in chosen])
    fake = np.stack(list(draw_images(G, seeds_to_ws(G, range(len(real))), step=G.trained_step)))
    faces = measure(fake[:CURVE_SEEDS])
    energy = faces.energy[faces.whole].mean() / own.energy[own.whole].mean()
    nimg = before + read_header(path)[1].get("nimg", 0)
    row = {"kimg": nimg / 1000, "resolution": side, "swd": swd(real, fake)["mean"]}
    row |= {"one_face": float(faces.whole.mean()), "octaves": float(np.log2(energy))}
    pictures = draw_images(G, seeds_to_ws(G, MILESTONE_SEEDS, 0.7), step=G.trained_step)
    return row, np.stack(list(pictures))


def write_milestones(out: Path, paths: list[Path], images: Path, cache: str, stages: list[tuple[Path, int]]) -> None:
    """curve.jsonl, curve.png, and milestones.jpg with one row of the same people for each milestone."""
    from PIL import Image, ImageDraw
    from tqdm.auto import tqdm

    rows, strips = [], []
    for path in tqdm(paths, desc="milestones"):
        row, pictures = milestone(path, images, cache, images_before(path, stages))
        cells = [np.asarray(Image.fromarray(p).resize((96, 96), Image.Resampling.LANCZOS)) for p in pictures]
        strip = Image.new("RGB", (96 * len(cells) + 80, 96), "white")
        strip.paste(Image.fromarray(np.concatenate(cells, axis=1)), (80, 0))
        ImageDraw.Draw(strip).text((6, 36), f"{row['kimg']:.0f} kimg\n{row['resolution']} px", "black")
        rows.append(row)
        strips.append((row["kimg"], np.asarray(strip)))
    rows.sort(key=lambda row: row["kimg"])
    write_lines(out / "curve.jsonl", rows)
    sheet = np.concatenate([strip for _, strip in sorted(strips, key=lambda pair: pair[0])])
    Image.fromarray(sheet).save(out / "milestones.jpg", quality=88)
    Image.fromarray(plot_curves(rows)).save(out / "curve.png")


def plot_curves(rows: list[dict]) -> np.ndarray:
    """uint8 [H, W, 3]: CURVES over kimg, a line broken where the resolution changes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 6), dpi=90, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axis, (name, title) in zip(figure.subplots(len(CURVES), 1, sharex=True), CURVES.items()):
        for side in sorted({row["resolution"] for row in rows}):
            part = [row for row in rows if row["resolution"] == side]
            axis.plot([row["kimg"] for row in part], [row[name] for row in part], marker=".", label=f"{side} px")
        axis.set_title(title, fontsize=9)
        axis.grid(alpha=0.25)
    axis.legend(fontsize=8)
    axis.set_xlabel("thousand images (kimg)")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


def card(out: Path, table: str) -> str:
    """README.md with its first lines and its section "Measured" made anew, everything else as it is."""
    from sgan import load_generator

    G, described = load_generator(out), json.loads((out / "generator.json").read_text(encoding="utf-8"))
    if G.checkpoint_hash[:12] not in table:
        raise ValueError(f"bench/results/faces.md is not of {out}; run check_faces.py for it first")
    old = (out / "README.md").read_text(encoding="utf-8") if (out / "README.md").exists() else ""
    kept = re.split(r"^(?=## )", old, flags=re.MULTILINE)[1:]
    measured = f"## Measured\n\n{table}{beside(out)}\n"
    names = [part.splitlines()[0] for part in kept]
    if "## Measured" in names:
        kept[names.index("## Measured")] = measured
    else:
        kept.append(measured)
    side, count = described["resolution"], sum(p.numel() for p in G.parameters())
    megabytes = (out / "generator.safetensors").stat().st_size / 1e6
    grids = " ".join(f"![64 samples at psi {psi}](grid-psi{psi}.{suffix_of(out, psi)})" for psi in (0.7, 1.0))
    top = (
        f"# {out.name}: a generator of people who do not exist\n\n{side}x{side} pixels, StyleGAN2 design, "
        f"{count / 1e6:.2f} M parameters, {megabytes:.1f} MB (float32 safetensors), "
        f"{described['nimg'] / 1000:.0f} thousand training images, SHA-256 `{G.checkpoint_hash}`.\n\n{grids}\n\n"
        "Seeds 0 to 63, truncation_psi 0.7 (left) and 1.0 (right), none left out.\n\n"
    )
    return top + "".join(kept)


def suffix_of(out: Path, psi: float) -> str:
    """png or jpg: how the grid of this psi is kept."""
    return "png" if (out / f"grid-psi{psi}.png").exists() else "jpg"


def beside(out: Path) -> str:
    """Sentences on the curve and on the named directions, as far as they are there."""
    text = ""
    if (out / "curve.png").exists():
        text += (
            f"\n![Metrics over the training](curve.png)\n\nThe last milestones over thousand images, each from "
            f"{CURVE_SEEDS} to {CURVE_IMAGES} samples at psi 1 (`curve.jsonl`).\n\n"
            "![The same seeds at each milestone](milestones.jpg)\n"
        )
    if (out / "directions.json").exists():
        rows = json.loads((out / "directions.json").read_text(encoding="utf-8"))["directions"]
        text += "\n### Directions\n\n![Every named direction from end to end](directions.jpg)\n\n"
        text += "| name | usable amounts | layers | what changes most from -2 to +2, in standard deviations |\n"
        text += "|---|---|---|---|\n"
        for row in rows:
            changes = ", ".join(f"{name} {value:+.1f}" for name, value in list(row["changes"].items())[:4])
            text += f"| {row['name']} | {row['range'][0]:g} to {row['range'][1]:g} | {row['layers']} | {changes} |\n"
        text += "\n`python -m sgan sample --edit NAME=AMOUNT`; in the notebook they are the first sliders.\n"
    return text


def main() -> None:
    from sgan.config import default_cache_dir

    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--state", type=Path, help="the state whose moving average is shipped")
    parser.add_argument("--out", type=Path, default=ROOT / "checkpoints" / "faces")
    parser.add_argument("--stage", type=parse_stage, action="append", default=[], metavar="FOLDER:IMAGES")
    parser.add_argument("--milestones", type=Path, nargs="+", default=[], help="states for the curve")
    parser.add_argument("--images", type=Path, help="folder of the training pictures, for the curve")
    parser.add_argument("--data", default="3,473 AI-generated portraits of nobody", help="a phrase for generator.json")
    parser.add_argument("--card_only", action="store_true", help="only renew README.md")
    parser.add_argument("--cache", default=str(default_cache_dir() / "bench"))
    options = parser.parse_args()
    if not options.card_only:
        if not options.state or (options.milestones and not options.images):
            parser.error("give --state, and --images with --milestones")
        export(options.state, options.out, options.stage, options.data)
        if options.milestones:
            write_milestones(options.out, options.milestones, options.images, options.cache, options.stage)
        return
    table = (ROOT / "bench" / "results" / "faces.md").read_text(encoding="utf-8")
    text = card(options.out, table)
    (options.out / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()

"""The command `sample`: faces of a checkpoint by seed, with style mixing, as pictures and one grid."""

import argparse
import math
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from bars import progress_bar
from sgan.config import DEFAULT_CHECKPOINT, ConfigError, resolution_of

SUFFIXES = (".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff")
MAX_SEED = 2**32 - 1
QUICK = 32 * 4**4  # faces times 4^step that are drawn before a progress bar is worth it: 32 of 64 x 64


def add_sample(parser: argparse.ArgumentParser) -> None:
    """Adds the flags of `sample`."""
    parser.description = "Draw faces of people who do not exist, from a checkpoint of this project or of others."
    parser.add_argument("--checkpoint", default=DEFAULT_CHECKPOINT, help="file or folder (default: %(default)s)")
    parser.add_argument("--seeds", type=parse_seeds, default="0-15", help="such as 0-15 or 3,7 (default: %(default)s)")
    parser.add_argument("--persona", metavar="FILE", help="draw the person in this persona file instead of seeds")
    parser.add_argument(
        "--truncation_psi", type=float, default=0.7, help="1: full variety; towards 0: the mean face (default: 0.7)"
    )
    parser.add_argument(
        "--out", default="results", help="a folder, or for one seed a picture file (default: %(default)s)"
    )
    parser.add_argument(
        "--style_mixing", type=int, nargs="+", default=[], metavar="LAYER",
        help="layers that take a second style; layer l is resolution 2^(l+2)",
    )  # fmt: skip
    parser.add_argument("--mix_seeds", type=parse_seeds, help="seeds of the second styles (default: the next seed)")
    parser.add_argument(
        "--edit", nargs="+", default=[], metavar="NAME=AMOUNT",
        help="steps along directions, such as smile=1.5; a wrong name tells which there are",
    )  # fmt: skip
    parser.add_argument("--resolution", type=int, help="side of the pictures; larger ones are up-sampled (Lanczos)")
    parser.add_argument("--class", type=int, dest="class_index", metavar="N", help="of a network with classes: which")
    parser.add_argument("--noise_mode", choices=("const", "random", "none"), default="const",
        help="const: the checkpoint's own; random: drawn by the face's seed; none (default: const)",
    )  # fmt: skip
    parser.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:N or mps (default: auto)")
    parser.set_defaults(run=run_sample)


def parse_seeds(text: str) -> list[int]:
    """[0, 1, 2, 7] from "0-2,7"."""
    seeds: list[int] = []
    for part in text.split(","):
        first, dash, last = part.strip().partition("-")
        try:
            low, high = int(first), int(last if dash else first)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is no list of seeds like 0-15 or 3,7,9") from None
        if not 0 <= low <= high <= MAX_SEED:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} is no range of seeds between 0 and {MAX_SEED}")
        if high - low >= 1_000_000:
            raise argparse.ArgumentTypeError(f"{part.strip()!r} asks for more than a million faces")
        seeds.extend(range(low, high + 1))
    return seeds


def run_sample(options: argparse.Namespace, arguments: Sequence[str]) -> int:
    """`sample`: one PNG per seed and a grid, each with how it was made."""
    single = Path(options.out).suffix.lower() in SUFFIXES
    if options.persona:
        return _draw_persona(options, single)
    seeds = options.seeds
    if options.mix_seeds and not options.style_mixing:
        raise ConfigError("mix_seeds are given, but no layers that take them; add style_mixing, such as 0 1 2")
    if single and (len(seeds) > 1 or len(options.mix_seeds or []) > 1):
        raise ConfigError(f"--out {options.out} is one picture, but several seeds are asked for; give a folder")
    _check_resolution(options.resolution)
    if not -10 <= options.truncation_psi <= 10:
        raise ConfigError(f"truncation_psi is {options.truncation_psi}; it must be between -10 and 10")
    from sgan.faces.drawer import open_drawer

    G = open_drawer(options.checkpoint, options.device)
    for note in G.notes:
        print(f"note: {note}", file=sys.stderr)
    _choose_class(G, options.class_index)
    low, high = G.config.min_step, G.config.max_step
    wrong = [layer for layer in options.style_mixing if not low <= layer <= high]
    if wrong:
        raise ConfigError(f"style_mixing names layer {wrong[0]}; layers of this checkpoint go from {low} to {high}")
    paths = _write_samples(G, options, seeds, single)
    size = options.resolution or resolution_of(G.trained_step)
    note = _enlarged(G, size)
    if single:
        print(f"1 face of {size}x{size} pixels{note}: {paths[0]}")
    else:
        faces = "1 face" if len(paths) == 2 else f"{len(paths) - 1} faces"  # the last path is the grid's
        print(f"{faces} of {size}x{size} pixels{note} and {paths[-1].name} in {options.out}")
    return 0


def _enlarged(G: Any, size: int) -> str:
    """What to say when pictures are larger than the network draws them."""
    drawn = resolution_of(G.trained_step)
    return f", up-sampled from {drawn} by Lanczos" if size > drawn else ""


def _check_resolution(resolution: int | None) -> None:
    if resolution is not None and not 4 <= resolution <= 8192:
        raise ConfigError(f"resolution is {resolution}; it must be between 4 and 8192")


def _draw_persona(options: argparse.Namespace, single: bool) -> int:
    """`sample --persona`: the one picture of a persona, whose file alone decides who it is."""
    _check_resolution(options.resolution)
    from provenance import GENERATED, Mark, write_image
    from sgan.faces.drawer import open_drawer
    from sgan.faces.persona import load_persona
    from sgan.faces.sampling import draw_images
    from sgan.viz import resize

    persona = load_persona(options.persona)
    G = open_drawer(options.checkpoint, options.device)
    noise_mode = persona.settings.get("noise_mode", "const")
    ws, edits = _edited(G, options, persona.ws_for(G))
    picture = next(draw_images(G, ws, noise_mode, G.trained_step, [0]))
    if options.resolution and options.resolution != len(picture):
        picture = resize(picture, options.resolution)
    path = Path(options.out) if single else Path(options.out) / f"{Path(options.persona).stem}.png"
    settings = {"checkpoint": G.checkpoint_hash, "noise_mode": noise_mode, "resolution": len(picture)} | edits
    write_image(path, picture, Mark(GENERATED, {**settings, "persona": dict(persona.settings)}))
    for note in G.notes:
        print(f"note: {note}", file=sys.stderr)
    print(f"1 face of {len(picture)}x{len(picture)} pixels{_enlarged(G, len(picture))}: {path}")
    return 0


def _choose_class(G: Any, index: int | None) -> None:
    """Sets the class that the generator draws; ConfigError when it has none of that number."""
    classes = G.config.c_dim
    if index is not None and not 0 <= index < classes:
        has = f"classes 0 to {classes - 1}" if classes else "no classes"
        raise ConfigError(f"class is {index}, but this checkpoint has {has}")
    if classes:
        G.label = index or 0
        if index is None:
            print(f"note: drawing class 0 of {classes}; choose another with --class", file=sys.stderr)


def _edited(G: Any, options: argparse.Namespace, ws: Any) -> tuple[Any, dict[str, Any]]:
    """(ws after --edit, what to say of it in a picture's mark)."""
    if not options.edit:
        return ws, {}
    from sgan.faces.editing import apply_edits, load_directions, parse_edits

    named = load_directions(options.checkpoint, G)
    edits = parse_edits(options.edit, named)
    return apply_edits(G, ws, edits, named=named), {"edits": [vars(edit) for edit in edits]}


def _styles(G: Any, options: argparse.Namespace, seeds: list[int]) -> tuple[Any, list[tuple[int, int | None]]]:
    """(ws [N, num_ws, w_dim], (seed, mixed seed or None) of each) of a sample command."""
    from sgan.faces.sampling import mixed_ws, seeds_to_ws

    if not options.style_mixing:
        return seeds_to_ws(G, seeds, options.truncation_psi), [(seed, None) for seed in seeds]
    ws = mixed_ws(G, seeds, options.mix_seeds, options.style_mixing, options.truncation_psi)
    return ws.reshape(-1, *ws.shape[2:]), [(seed, mix) for seed in seeds for mix in options.mix_seeds]


def _write_samples(G: Any, options: argparse.Namespace, seeds: list[int], single: bool) -> list[Path]:
    """Draws and writes the pictures of a sample command; returns their paths, the grid's last."""
    from provenance import GENERATED, Mark, remove_leftovers, write_image
    from sgan.faces.sampling import draw_images
    from sgan.viz import fit_cell, resize

    mixing = bool(options.style_mixing)
    options.mix_seeds = (options.mix_seeds or [(seeds[-1] + 1) % (MAX_SEED + 1)]) if mixing else []
    ws, names = _styles(G, options, seeds)
    ws, edits = _edited(G, options, ws)
    common = {"checkpoint": G.checkpoint_hash, "truncation_psi": options.truncation_psi}
    common |= {"noise_mode": options.noise_mode} | ({"class": G.label} if G.config.c_dim else {}) | edits
    columns = len(options.mix_seeds) if len(options.mix_seeds) > 1 else math.ceil(math.sqrt(len(names)))
    paths, cells = [], []
    remove_leftovers(Path(options.out).parent if single else options.out)
    quick = len(names) * 4**G.trained_step < QUICK
    drawn = draw_images(G, ws, options.noise_mode, G.trained_step, [seed for seed, _ in names])
    drawn = progress_bar(drawn, total=len(names), unit="face", disable=quick)
    for (seed, mix), picture in zip(names, drawn, strict=True):
        if options.resolution and options.resolution != len(picture):
            picture = resize(picture, options.resolution)
        settings = {**common, "seed": seed, "resolution": len(picture)}
        name = f"seed{seed:04d}"
        if mix is not None:
            settings |= {"style_mixing": options.style_mixing, "mix_seed": mix}
            name += f"-mix{mix:04d}"
        paths.append(Path(options.out) if single else Path(options.out) / f"{name}.png")
        write_image(paths[-1], picture, Mark(GENERATED, settings))
        cells.append(fit_cell(picture, len(names), columns))
    if not single:
        settings = {**common, "seeds": seeds, "style_mixing": options.style_mixing, "mix_seeds": options.mix_seeds}
        paths.append(_write_grid(Path(options.out) / "grid.png", cells, columns, Mark(GENERATED, settings)))
    return paths


def _write_grid(path: Path, cells: list, columns: int, mark: Any) -> Path:
    import numpy as np

    from provenance import write_image
    from sgan.viz import make_grid

    write_image(path, make_grid(np.stack(cells), columns), mark)
    return path

"""Whether a generator repeats its training images: how near its faces come to them, and a sheet of the nearest."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from sgan.judging.evidence import Evidence
from sgan.judging.metrics import nearest
from sgan.viz import make_grid

MAX_COMPARED = 50_000  # training images among which the nearest are looked for
MEMORISED = 1.0  # per cent of training images that are nearer to another one than this distance
SHEET_ROWS, SHEET_NEAREST = 12, 5
CELL, STRIP = 96, 14  # pixels: smallest side of a picture on the sheet, and the line of text below it


def judge_memory(evidence: Evidence) -> tuple[dict[str, Any], np.ndarray]:
    """({how near generated and training images come to the (other) training images}, the sheet).

    Training shows pictures mirrored too, so a face counts as near in whichever direction it is nearer.
    """
    sample, dataset, features = evidence.sample, evidence.dataset, evidence.features
    pixels = dataset.pixels[sample.real.shape[1]]
    at = np.arange(len(pixels))
    if len(at) > MAX_COMPARED:
        more = np.random.default_rng(evidence.seed).permutation(np.setdiff1d(at, sample.real_at))
        at = np.sort(np.concatenate([sample.real_at, more[: MAX_COMPARED - len(sample.real_at)]]))
    known = torch.cat([features(pixels[at[i : i + 1024]]) for i in range(0, len(at), 1024)])
    own = np.searchsorted(at, sample.real_at)
    found = {name: _nearest_of(pictures, features, known, where) for name, pictures, where in (
        ("generated", sample.fake, None), ("training", sample.real, own),
    )}  # fmt: skip
    near, usual = (found[name][0][:, 0].numpy() for name in ("generated", "training"))
    threshold = float(np.percentile(usual, MEMORISED))
    closest = np.argsort(near, kind="stable")[:SHEET_ROWS]
    values, indices, mirrored = (part.numpy() for part in found["generated"])
    rows = [
        {"seed": sample.seeds[i], "name": dataset.names[at[indices[i, 0]]], "distance": float(near[i]),
         "mirrored": bool(mirrored[i, 0])}
        for i in closest
    ]  # fmt: skip
    summary = {"compared_with": len(at)} | {name: _summary(part) for name, part in zip(found, (near, usual))}
    summary |= {"nearer_than_1_percent_of_training": float(np.mean(near < threshold)), "closest": rows}
    sheet = _draw_sheet(sample.fake[closest], pixels, at[indices[closest]], values[closest], mirrored[closest])
    title = f"training images among themselves: 1% nearer than {threshold:.1f}, half nearer than {np.median(usual):.1f}"
    return summary, np.concatenate([_strip(sheet.shape[1], title), sheet])


def _nearest_of(
    pictures: np.ndarray, features: Callable[..., Tensor], known: Tensor, own: np.ndarray | None
) -> tuple[Tensor, Tensor, Tensor]:
    """(distances, indices, whether mirrored), each [N, SHEET_NEAREST], over both directions of the pictures."""
    k = min(SHEET_NEAREST, len(known) - 1)
    straight, mirrored = (nearest(features(pictures, flip), known, k, own) for flip in (False, True))
    values, order = torch.cat([straight[0], mirrored[0]], dim=1).sort(dim=1, stable=True)
    indices = torch.cat([straight[1], mirrored[1]], dim=1).gather(1, order)
    return values[:, :k], indices[:, :k], (order >= k)[:, :k]


def _summary(near: np.ndarray) -> dict[str, float]:
    low, median = np.percentile(near, [MEMORISED, 50])
    return {"min": float(near.min()), "percentile_1": float(low), "median": float(median)}


def _draw_sheet(
    faces: np.ndarray, pixels: np.ndarray, indices: np.ndarray, values: np.ndarray, mirrored: np.ndarray
) -> np.ndarray:
    """A row for each generated face: itself, then training images as they were found, with their distances below."""
    cells = []
    for row, face in enumerate(faces):
        cells.append(_cell(face, "generated"))
        for column, index in enumerate(indices[row]):
            flip = mirrored[row, column]
            picture = pixels[index, :, ::-1] if flip else pixels[index]
            cells.append(_cell(picture, f"{values[row, column]:.1f}" + (" mirrored" if flip else "")))
    return make_grid(np.stack(cells), 1 + indices.shape[1])


def _cell(picture: np.ndarray, text: str) -> np.ndarray:
    side = max(CELL, len(picture))
    image = Image.fromarray(np.ascontiguousarray(picture)).resize((side, side), Image.Resampling.BICUBIC)
    return np.concatenate([np.asarray(image), _strip(side, text)])


def _strip(width: int, text: str) -> np.ndarray:
    image = Image.new("RGB", (width, STRIP), "white")
    ImageDraw.Draw(image).text((2, 0), text, fill="black")
    return np.asarray(image)

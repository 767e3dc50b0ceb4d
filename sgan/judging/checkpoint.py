"""A checkpoint judged against the pictures it was trained on: every measure of `metrics` in one dictionary."""

import importlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw
from torch import Tensor

from sgan.config import ConfigError
from sgan.data.dataset import Dataset
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.judging.features import DESCRIPTION, picture_features
from sgan.judging.metrics import NEIGHBOURS, count_faces, density_coverage, nearest, octave_ratios, swd
from sgan.networks.generator import Generator
from sgan.training.state import TrainState
from sgan.viz import make_grid

MEASURES = ("swd", "coverage", "octaves", "faces", "nearest", "fid")
MIN_IMAGES = 2 * NEIGHBOURS
MAX_COMPARED = 50_000  # training images among which the nearest are looked for
MEMORISED = 1.0  # per cent of training images that are nearer to another one than this distance
SHEET_ROWS, SHEET_NEAREST = 12, 5
CELL, STRIP = 96, 14  # pixels: smallest side of a picture on the sheet, and the line of text below it
FID_INSTALL = "torch-fidelity is not installed (pip install torch-fidelity)"


@dataclass
class Sample:
    """What is compared, uint8 [n, R, R, 3]: real and as many generated ones; and if there are enough, other real ones.

    real_at: indices of `real` in the dataset; seeds: of the generated ones.
    """

    real: np.ndarray
    fake: np.ndarray
    others: np.ndarray | None
    real_at: np.ndarray
    seeds: range


@dataclass
class Verdict:
    """values: plain JSON types; sheet: uint8 [H, W, 3], generated faces beside the training images nearest to them."""

    values: dict[str, Any]
    sheet: np.ndarray | None = None


def draw_sample(
    G: Generator,
    dataset: Dataset,
    n: int,
    seed: int = 0,
    truncation_psi: float = 1.0,
    progress: Callable[[Sequence], Iterable] = iter,
    others: bool = True,
) -> Sample:
    """The Sample of a generator at the resolution it has reached; n at most as many as there are real images.

    Real ones are drawn without replacement by `seed`, generated ones have the latents of seeds seed * n onwards. With
    others False there are no other real ones. Memory: 3 R^2 bytes for each picture of each kind.
    ValueError for a data set that has too few or not this resolution.
    """
    side = 2 ** (G.trained_step + 2)
    if side not in dataset.pixels or min(n, len(dataset)) < MIN_IMAGES:
        raise ValueError(f"{min(n, len(dataset))} images of {side} x {side}: at least {MIN_IMAGES} are needed")
    n = min(n, len(dataset))
    order = np.random.default_rng(seed).permutation(len(dataset))
    at, rest = np.sort(order[:n]), np.sort(order[n : 2 * n])
    seeds = range(seed * n, (seed + 1) * n)
    fake = np.empty((n, side, side, 3), np.uint8)
    for i in progress(range(n)):
        ws = seeds_to_ws(G, [seeds[i] % 2**32], truncation_psi)
        fake[i] = next(draw_images(G, ws, step=G.trained_step))
    pixels = dataset.pixels[side]
    return Sample(pixels[at], fake, pixels[rest] if others and len(rest) == n else None, at, seeds)


def check_enough(n: int, setting: str) -> None:
    """ConfigError naming the setting that asks to compare so few images."""
    if n < MIN_IMAGES:
        raise ConfigError(f"{setting} needs at least {MIN_IMAGES} images to compare, and there are {n}")


def state_judge(dataset: Dataset, n: int) -> Callable[[TrainState], dict[str, float]]:
    """A function that measures a training state's moving average, on n images of each kind, without any weights.

    It gives "swd" (the mean over its levels), "density", "coverage" and the "resolution" at which they were measured,
    the last one that has faded in. What cannot be measured is None.
    """

    def measure(state: TrainState) -> dict[str, float]:
        level, alpha = state.config.schedule(state.nimg)
        state.G_ema.trained_step = level - 1 if alpha < 1 else level
        sample = draw_sample(state.G_ema, dataset, n, others=False)
        values = judge(sample, dataset, ("swd", "coverage"), device=state.device).values
        found = {name: values[name] for name in ("density", "coverage", "resolution")}
        return {"swd": values["swd"] and values["swd"]["mean"], **found}

    return measure


def check_measures(measures: Iterable[str]) -> None:
    """ConfigError for a measure that is none of MEASURES."""
    if unknown := sorted(set(measures) - set(MEASURES)):
        raise ConfigError(f"measure {unknown[0]!r} is unknown; choose among {', '.join(MEASURES)}")


def judge(
    sample: Sample,
    dataset: Dataset,
    measures: Sequence[str] = MEASURES,
    seed: int = 0,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> Verdict:
    """The Verdict on a sample: what `measures` name, each beside what other training images get where there are enough.

    The same sample and seed give the same numbers. What cannot be measured here is None, with a line in "notes".
    """
    check_measures(measures)
    values: dict[str, Any] = {"resolution": sample.real.shape[1], "n": len(sample.fake), "notes": []}
    verdict = Verdict(values)
    if "swd" in measures:
        say("sliced Wasserstein distance")
        values["swd"] = _either(lambda: swd(sample.real, sample.fake, seed), values)
        if sample.others is not None:
            values["swd_of_training_images"] = _either(lambda: swd(sample.real, sample.others, seed), values)
    if {"coverage", "nearest"} & set(measures):
        say("features")
        _judge_features(sample, dataset, measures, verdict, seed, device)
    if "octaves" in measures:
        octaves = octave_ratios(sample.real, sample.fake)
        values["high_frequency"], values["octaves"] = list(octaves.values())[-1], octaves
    if "faces" in measures:
        say("faces")
        values["one_face"] = _either(lambda: _share_of_faces(sample), values)
    if "fid" in measures:
        say("FID and KID")
        values |= inception_scores(sample.real, sample.fake, seed, torch.device(device).type == "cuda", values["notes"])
    return verdict


def _either(measure: Callable[[], Any], values: dict) -> Any:
    """The result of a measure, or None and a note."""
    try:
        return measure()
    except (ImportError, ValueError) as error:
        values["notes"].append(str(error))
        return None


def _share_of_faces(sample: Sample) -> dict[str, float]:
    """Shares of pictures in which Face Mesh sees exactly one face."""
    sets = {"generated": sample.fake, "training": sample.real}
    return {name: float(np.mean([n == 1 for n in count_faces(pictures)])) for name, pictures in sets.items()}


def _judge_features(
    sample: Sample, dataset: Dataset, measures: Sequence[str], verdict: Verdict, seed: int, device: torch.device | str
) -> None:
    """Density, coverage and the nearest training images, all by the same features."""
    real = picture_features(sample.real, device)
    mean, deviation = real.mean(dim=0), real.std(dim=0).clamp_min(1e-12)

    def features(pictures: np.ndarray, mirrored: bool = False) -> Tensor:
        return (picture_features(pictures, device, mirrored) - mean) / deviation

    real, fake, values = (real - mean) / deviation, features(sample.fake), verdict.values
    values["features"] = DESCRIPTION
    if "coverage" in measures:
        values["density"], values["coverage"] = density_coverage(real, fake)
        if sample.others is not None:
            density, coverage = density_coverage(real, features(sample.others))
            values["density_of_training_images"], values["coverage_of_training_images"] = density, coverage
    if "nearest" in measures:
        values["nearest"], verdict.sheet = _judge_memory(sample, dataset, features, seed)


def _judge_memory(
    sample: Sample, dataset: Dataset, features: Callable[..., Tensor], seed: int
) -> tuple[dict[str, Any], np.ndarray]:
    """({how near generated and training images come to the (other) training images}, the sheet).

    Training shows pictures mirrored too, so a face counts as near in whichever direction it is nearer.
    """
    pixels = dataset.pixels[sample.real.shape[1]]
    at = np.arange(len(pixels))
    if len(at) > MAX_COMPARED:
        more = np.random.default_rng(seed).permutation(np.setdiff1d(at, sample.real_at))
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


def inception_scores(real: np.ndarray, fake: np.ndarray, seed: int, cuda: bool, notes: list[str]) -> dict[str, Any]:
    """{"fid", "kid"} (arXiv 1706.08500 and 1801.01401) by torch-fidelity; None with a note where it cannot be had.

    The Inception network's weights are fetched by that library when it is first used. Both values are of n against n
    images; FID is biased upwards for small n, KID is not.
    """
    try:
        library = importlib.import_module("torch_fidelity")  # an extra: the other measures do without
    except ImportError:
        notes.append(f"no FID and KID: {FID_INSTALL}")
        return {"fid": None, "kid": None}
    sets = [torch.from_numpy(np.ascontiguousarray(part.transpose(0, 3, 1, 2))) for part in (real, fake)]
    try:
        found = library.calculate_metrics(
            input1=_Pictures(sets[1]), input2=_Pictures(sets[0]), cuda=cuda, fid=True, kid=True, verbose=False,
            kid_subset_size=min(1000, len(real)), rng_seed=seed, save_cpu_ram=True, cache=False,
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        notes.append(f"no FID and KID: the weights of the Inception network cannot be had ({error})")
        return {"fid": None, "kid": None}
    return {
        "fid": float(found["frechet_inception_distance"]),
        "kid": float(found["kernel_inception_distance_mean"]),
    }


class _Pictures(torch.utils.data.Dataset):
    """uint8 [N, 3, H, W] one by one, as torch-fidelity takes them."""

    def __init__(self, pictures: Tensor):
        self.pictures = pictures

    def __len__(self) -> int:
        return len(self.pictures)

    def __getitem__(self, i: int) -> Tensor:
        return self.pictures[i]

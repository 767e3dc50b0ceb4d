"""A checkpoint judged against the pictures it was trained on: every one of MEASURES in one dictionary."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from sgan.config import ConfigError, resolution_of
from sgan.data.dataset import Dataset
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.judging.evidence import Evidence, Sample
from sgan.judging.measures import MEASURES
from sgan.judging.metrics import NEIGHBOURS
from sgan.networks.generator import Generator
from sgan.training.state import TrainState

MIN_IMAGES = 2 * NEIGHBOURS


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
    side = resolution_of(G.trained_step)
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
    measures: Iterable[str] = tuple(MEASURES),
    seed: int = 0,
    device: torch.device | str = "cpu",
    say: Callable[[str], None] = lambda text: None,
) -> Verdict:
    """The Verdict on a sample: what `measures` name, each beside what other training images get where there are enough.

    The same sample and seed give the same numbers. What cannot be measured here is None, with a line in "notes".
    """
    check_measures(measures)
    evidence = Evidence(sample, dataset, seed, device)
    values: dict[str, Any] = {"resolution": sample.real.shape[1], "n": len(sample.fake), "notes": []}
    for name, entry in MEASURES.items():
        if name in measures:
            say(entry.help)
            try:
                values |= entry.measure(evidence)
            except (ImportError, ValueError) as error:
                values |= dict.fromkeys(entry.values)
                values["notes"].append(str(error))
    return Verdict(values, evidence.sheet)

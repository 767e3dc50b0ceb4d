"""A checkpoint judged against the pictures it was trained on: every one of MEASURES in one dictionary."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sgan.config import ConfigError
from sgan.data.dataset import Dataset
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.judging.features import picture_features
from sgan.judging.measures import MEASURES
from sgan.judging.metrics import NEIGHBOURS
from sgan.networks.generator import Generator
from sgan.training.state import TrainState

MIN_IMAGES = 2 * NEIGHBOURS


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


@dataclass
class Evidence:
    """What a measure may look at: the sample and the data set that it is from."""

    sample: Sample
    dataset: Dataset
    seed: int = 0
    device: torch.device | str = "cpu"
    sheet: np.ndarray | None = None

    @cached_property
    def _real(self) -> Tensor:
        return picture_features(self.sample.real, self.device)

    def _scaled(self, features: Tensor) -> Tensor:
        return (features - self._real.mean(dim=0)) / self._real.std(dim=0).clamp_min(1e-12)

    @property
    def real_features(self) -> Tensor:
        """`features` of the real pictures, which are measured once."""
        return self._scaled(self._real)

    def features(self, pictures: np.ndarray, mirrored: bool = False) -> Tensor:
        """Features [N, D] of uint8 pictures [N, R, R, 3], in units of their deviation over the real ones."""
        return self._scaled(picture_features(pictures, self.device, mirrored))


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

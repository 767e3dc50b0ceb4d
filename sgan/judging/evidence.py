"""What a checkpoint is judged by: pictures drawn and real ones, and the features of both."""

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from torch import Tensor

from sgan.data.dataset import Dataset
from sgan.judging.features import picture_features


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

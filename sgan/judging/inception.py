"""FID and KID, by a library that fetches the weights of its network itself."""

import importlib

import numpy as np
import torch
from torch import Tensor

INSTALL = "torch-fidelity is not installed (pip install torch-fidelity)"


def inception_scores(real: np.ndarray, fake: np.ndarray, seed: int, cuda: bool) -> dict[str, float]:
    """{"fid", "kid"} (arXiv 1706.08500 and 1801.01401) by torch-fidelity; ImportError or ValueError without it.

    The Inception network's weights are fetched by that library when it is first used. Both values are of n against n
    images; FID is biased upwards for small n, KID is not.
    """
    try:
        library = importlib.import_module("torch_fidelity")  # an extra: the other measures do without
    except ImportError:
        raise ImportError(f"no FID and KID: {INSTALL}") from None
    sets = [torch.from_numpy(np.ascontiguousarray(part.transpose(0, 3, 1, 2))) for part in (real, fake)]
    try:
        found = library.calculate_metrics(
            input1=_Pictures(sets[1]), input2=_Pictures(sets[0]), cuda=cuda, fid=True, kid=True, verbose=False,
            kid_subset_size=min(1000, len(real)), rng_seed=seed, save_cpu_ram=True, cache=False,
        )  # fmt: skip
    except (OSError, RuntimeError, ValueError) as error:
        raise ValueError(f"no FID and KID: the weights of the Inception network cannot be had ({error})") from None
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

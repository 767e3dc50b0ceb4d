"""Faces from seeds: seed -> z -> ws -> picture, with truncation and style mixing."""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, nullcontext
from itertools import repeat

import numpy as np
import torch
from torch import Tensor

from sgan.networks.generator import Generator, swap_layers
from sgan.viz import to_uint8


def seed_to_z(seed: int, z_dim: int) -> Tensor:
    """z [1, z_dim] float32 of a seed (0 to 2^32 - 1), the same on every machine."""
    return torch.from_numpy(np.random.RandomState(seed).randn(1, z_dim)).float()


@torch.no_grad()
def seeds_to_ws(G: Generator, seeds: Iterable[int], truncation_psi: float = 1.0) -> Tensor:
    """ws [N, num_ws, w_dim]; row i depends on the i-th seed alone, to the last bit."""
    device = G.mapping.w_avg.device
    rows = [G.mapping(seed_to_z(seed, G.config.z_dim).to(device), truncation_psi) for seed in seeds]
    return torch.cat(rows)


@torch.no_grad()
def draw_images(
    G: Generator,
    ws: Tensor,
    noise_mode: str = "const",
    step: int | None = None,
    noise_seeds: Iterable[int] | None = None,
) -> Iterator[np.ndarray]:
    """One uint8 [R, R, 3] RGB picture for each row of ws [N, num_ws, w_dim], computed one by one.

    One by one because a picture must not depend on its neighbours: matrix products of another height may differ in
    the last bit. noise_seeds: for each row the seed of its "random" noise (None: the noise comes from PyTorch's
    generator, and is new every time); a CPU and a GPU draw different noise from a seed.
    """
    for w, seed in zip(ws, repeat(None) if noise_seeds is None else noise_seeds):
        with nullcontext() if seed is None else _seeded(seed, w.device):
            image = G.synthesis(w[None], step=step, noise_mode=noise_mode)
        yield to_uint8(image)[0]


@contextmanager
def _seeded(seed: int, device: torch.device) -> Iterator[None]:
    """PyTorch's random numbers from a seed, and afterwards as if nothing had been drawn."""
    with torch.random.fork_rng([device] if device.type == "cuda" else []):
        torch.manual_seed(seed)
        yield


def mixed_ws(
    G: Generator, seeds: Sequence[int], mix_seeds: Sequence[int], layers: Sequence[int], truncation_psi: float = 1.0
) -> Tensor:
    """ws [len(seeds), len(mix_seeds), num_ws, w_dim]: every seed with the given layers from every mix seed."""
    rows, columns = seeds_to_ws(G, seeds, truncation_psi), seeds_to_ws(G, mix_seeds, truncation_psi)
    return torch.stack([swap_layers(row.expand_as(columns), columns, G.config, layers) for row in rows])

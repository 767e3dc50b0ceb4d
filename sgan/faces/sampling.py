"""Faces from seeds: seed -> z -> ws -> picture, with truncation and style mixing."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import repeat
from typing import TYPE_CHECKING

import numpy as np

from sgan.faces.drawer import Drawer, as_drawer

if TYPE_CHECKING:
    from torch import Tensor

    from sgan.networks.generator import Generator


def seed_to_z(seed: int, z_dim: int) -> np.ndarray:
    """z [1, z_dim] float32 of a seed (0 to 2^32 - 1), the same on every machine."""
    return np.random.RandomState(seed).randn(1, z_dim).astype(np.float32)


def seeds_to_ws(G: Drawer | Generator, seeds: Iterable[int], truncation_psi: float = 1.0) -> np.ndarray | Tensor:
    """ws [N, num_ws, w_dim]; row i depends on the i-th seed alone, to the last bit. Of a PyTorch generator a tensor.

    truncation_psi moves them towards w_avg: 0 gives w_avg, 1 changes nothing (arXiv 1812.04948, appendix B).
    """
    drawer = as_drawer(G)
    w = np.concatenate([drawer.map(seed_to_z(seed, drawer.config.z_dim)) for seed in seeds])
    if truncation_psi != 1.0:
        w = drawer.w_avg + np.float32(truncation_psi) * (w - drawer.w_avg)
    ws = w[:, None].repeat(drawer.config.num_ws, axis=1)
    return ws if drawer is G else drawer.tensor(ws)


def draw_images(
    G: Drawer | Generator,
    ws: np.ndarray | Tensor,
    noise_mode: str = "const",
    step: int | None = None,
    noise_seeds: Iterable[int] | None = None,
) -> Iterator[np.ndarray]:
    """One uint8 [R, R, 3] RGB picture for each row of ws [N, num_ws, w_dim], computed one by one.

    One by one because a picture must not depend on its neighbours: matrix products of another height may differ in
    the last bit. noise_seeds: for each row the seed of its "random" noise (None: the noise is new every time); a CPU
    and a GPU draw different noise from a seed.
    """
    drawer = as_drawer(G)
    for w, seed in zip(ws, repeat(None) if noise_seeds is None else noise_seeds):
        yield drawer.draw(w, noise_mode, step, seed)


def mixed_ws(
    G: Drawer | Generator,
    seeds: Sequence[int],
    mix_seeds: Sequence[int],
    layers: Sequence[int],
    truncation_psi: float = 1.0,
) -> np.ndarray:
    """ws [len(seeds), len(mix_seeds), num_ws, w_dim]: every seed with the given layers from every mix seed."""
    drawer = as_drawer(G)
    rows, columns = (seeds_to_ws(drawer, some, truncation_psi) for some in (seeds, mix_seeds))
    mixed = rows[:, None].repeat(len(columns), axis=1)
    taken = drawer.config.ws_of_layers(layers)
    mixed[:, :, taken] = columns[:, taken]
    return mixed

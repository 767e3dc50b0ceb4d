"""How far generated pictures are from real ones: plain functions of two sets of pictures or of features.

Pictures are uint8 [N, R, R, 3] RGB, features float [N, D]. Everything is deterministic; randomness comes from a seed.
"""

from collections.abc import Iterable

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from sgan.judging.features import to_tensor

# Sliced Wasserstein distance, arXiv 1710.10196, section 5.
PATCH = 7
PATCHES_PER_PICTURE = 128
DIRECTIONS = 512
LOWEST_LEVEL = 16
SWD_UNIT = 1e3  # distances are given times 10^3, as in the paper's tables
BINOMIAL = (1 / 16, 4 / 16, 6 / 16, 4 / 16, 1 / 16)  # of the Laplacian pyramid (Burt and Adelson 1983)
DIRECTIONS_AT_ONCE = 64
PICTURES_AT_ONCE = 64

NEIGHBOURS = 5  # k of density and coverage, arXiv 2002.09797, section 3
ROWS_AT_ONCE = 256
FLAT = 1e-6  # power (grey levels squared, per picture) below which a band counts as empty
MESH_SIDE = 256  # pictures are shown to Face Mesh at this size


def pyramid_filter(images: Tensor) -> Tensor:
    """images [N, C, H, W] after the 5-tap binomial filter in both directions, mirrored at the border."""
    taps = images.new_tensor(BINOMIAL)
    kernel = torch.outer(taps, taps).expand(images.shape[1], 1, -1, -1)
    return F.conv2d(F.pad(images, (2, 2, 2, 2), mode="reflect"), kernel, groups=images.shape[1])


def laplacian_pyramid(images: Tensor) -> dict[int, Tensor]:
    """{side: [N, C, side, side]} of images [N, C, R, R]: differences between sizes down to 16, there the rest."""
    levels = {}
    while images.shape[-1] > LOWEST_LEVEL:
        small = pyramid_filter(images)[:, :, ::2, ::2]
        spread = torch.zeros_like(images)
        spread[:, :, ::2, ::2] = 4 * small
        levels[images.shape[-1]] = images - pyramid_filter(spread)
        images = small
    levels[images.shape[-1]] = images
    return levels


def draw_patches(level: Tensor, random: np.random.RandomState) -> Tensor:
    """Patches [N * PATCHES_PER_PICTURE, C, 7, 7] of one level [N, C, S, S], at positions drawn anew for each."""
    n, _, side, _ = level.shape
    at = random.randint(0, side - PATCH + 1, size=(2, n * PATCHES_PER_PICTURE))
    windows = level.unfold(2, PATCH, 1).unfold(3, PATCH, 1)
    picture = torch.arange(n).repeat_interleave(PATCHES_PER_PICTURE)
    return windows[picture, :, torch.from_numpy(at[0]), torch.from_numpy(at[1])]


def normalise_patches(patches: Tensor) -> Tensor:
    """Patches [M, C, 7, 7] as rows [M, C * 49], each colour channel with mean 0 and deviation 1 over the whole set."""
    mean = patches.mean(dim=(0, 2, 3), keepdim=True, dtype=torch.float64).float()
    deviation = (patches - mean).square().mean(dim=(0, 2, 3), keepdim=True, dtype=torch.float64).sqrt().float()
    return ((patches - mean) / deviation.clamp_min(1e-12)).flatten(1)


def sliced_distance(a: Tensor, b: Tensor, seed: int = 0, directions: int = DIRECTIONS) -> float:
    """Mean over random directions of the 1-D Wasserstein distance between the projections of a and b, both [M, D]."""
    random, total = np.random.RandomState(seed), 0.0
    for start in range(0, directions, DIRECTIONS_AT_ONCE):
        axes = random.standard_normal((min(DIRECTIONS_AT_ONCE, directions - start), a.shape[1]))
        axes = torch.from_numpy(axes / np.linalg.norm(axes, axis=1, keepdims=True)).to(a.dtype)
        sorted_a, sorted_b = (torch.sort(axes @ rows.T, dim=1).values for rows in (a, b))
        total += (sorted_a - sorted_b).abs().mean(dim=1, dtype=torch.float64).sum().item()
    return total / directions


def swd(a: np.ndarray, b: np.ndarray, seed: int = 0) -> dict[str, float]:
    """Sliced Wasserstein distance times 10^3 of two equally large sets of pictures, by level, and the "mean" of them.

    "16" tells large structures, the largest side the finest detail. ValueError for pictures below 8 x 8. Memory: about
    150 KB for each pair of pictures.
    """
    if a.shape != b.shape or a.shape[1] < 8:
        raise ValueError(f"the sets are {a.shape} and {b.shape}; they must be alike, of pictures from 8 x 8 on")
    found: dict[str, float] = {}
    for side in (size for size in (2**k for k in range(3, 12)) if min(LOWEST_LEVEL, a.shape[1]) <= size <= a.shape[1]):
        rows = [normalise_patches(_patches_of(pictures, side, seed)) for pictures in (a, b)]
        found[str(side)] = SWD_UNIT * sliced_distance(*rows, seed=seed)
    return found | {"mean": sum(found.values()) / len(found)}


def _patches_of(pictures: np.ndarray, side: int, seed: int) -> Tensor:
    """All patches of one level, some pictures at a time."""
    random = np.random.RandomState(seed)
    parts = []
    for start in range(0, len(pictures), PICTURES_AT_ONCE):
        level = laplacian_pyramid(to_tensor(pictures[start : start + PICTURES_AT_ONCE]))[side]
        parts.append(draw_patches(level, random))
    return torch.cat(parts)


def distances(a: Tensor, b: Tensor) -> Tensor:
    """Euclidean distances [len(a), len(b)], exactly 0 between equal rows."""
    return torch.cdist(a, b, compute_mode="donot_use_mm_for_euclid_dist")


def density_coverage(real: Tensor, fake: Tensor, k: int = NEIGHBOURS) -> tuple[float, float]:
    """(density, coverage) of features fake [M, D] against real [N, D] (arXiv 2002.09797, section 3).

    Around each real one lies a ball as wide as to its k-th neighbour among the real ones. Density: in how many balls
    a fake one lies, over k (1 for the real distribution itself, not bounded); coverage: share of the balls with a fake
    one inside. ValueError for no more than k real ones.
    """
    if len(real) <= k:
        raise ValueError(f"{len(real)} real images are too few for {k} neighbours")
    inside, covered = 0, 0
    for rows in real.split(ROWS_AT_ONCE):
        radii = distances(rows, real).kthvalue(k + 1, dim=1, keepdim=True).values  # the first is the picture itself
        hits = distances(rows, fake) < radii
        inside += int(hits.sum())
        covered += int(hits.any(dim=1).sum())
    return inside / (k * len(fake)), covered / len(real)


def nearest(queries: Tensor, known: Tensor, k: int, own: np.ndarray | None = None) -> tuple[Tensor, Tensor]:
    """(distances [Q, k] ascending, indices [Q, k]) of the rows of `known` nearest to each of `queries`.

    own: for each query the index of itself in `known`, which is left out.
    """
    values, indices = [], []
    for start in range(0, len(queries), ROWS_AT_ONCE):
        rows = distances(queries[start : start + ROWS_AT_ONCE], known)
        if own is not None:
            rows[torch.arange(len(rows)), torch.from_numpy(own[start : start + ROWS_AT_ONCE])] = torch.inf
        found = rows.topk(min(k, rows.shape[1]), largest=False)
        values.append(found.values)
        indices.append(found.indices)
    return torch.cat(values), torch.cat(indices)


def octave_energies(pictures: np.ndarray) -> dict[str, float]:
    """Mean power of the grey picture in each octave of spatial frequency, "16-32" being 16 to 32 cycles per picture.

    Under a Hann window, since a picture's opposite borders do not meet; its mean is taken off. The last octave ends at
    the highest frequency that the pixels can hold along an axis.
    """
    side = pictures.shape[1]
    window = np.outer(np.hanning(side), np.hanning(side))
    fy, fx = np.fft.fftfreq(side, 1 / side)[:, None], np.fft.rfftfreq(side, 1 / side)[None]
    radius, power = np.hypot(fy, fx), np.zeros((side, side // 2 + 1))
    for picture in pictures:
        grey = picture @ np.array([0.299, 0.587, 0.114])
        power += np.abs(np.fft.rfft2((grey - grey.mean()) * window)) ** 2
    edges = [2**i for i in range(int(np.log2(side)))]
    bands = {f"{low}-{2 * low}": (radius >= low) & (radius < 2 * low) for low in edges[:-1]}
    return {name: float(power[band].sum() / len(pictures) / side**2) for name, band in bands.items()}


def octave_ratios(real: np.ndarray, fake: np.ndarray) -> dict[str, float]:
    """log2 of generated over real energy by octave: 0 alike, -1 half the energy (softer), +1 twice (noisier)."""
    real_energy, fake_energy = octave_energies(real), octave_energies(fake)
    return {name: float(np.log2((fake_energy[name] + FLAT) / (real_energy[name] + FLAT))) for name in real_energy}


def count_faces(pictures: Iterable[np.ndarray]) -> list[int]:
    """Faces (at most 3) that Face Mesh sees in each uint8 [H, W, 3] RGB picture."""
    from PIL import Image

    from graphs.facemesh import FaceMesh

    mesh, size = FaceMesh(most=3), (MESH_SIDE, MESH_SIDE)
    shown = (Image.fromarray(picture).resize(size, Image.Resampling.LANCZOS) for picture in pictures)
    return [len(mesh(np.asarray(picture))) for picture in shown]

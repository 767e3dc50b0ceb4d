"""Facts of the measures: what a set is to itself, to shifted sets, and small cases against plain computations."""

import numpy as np
import pytest
import torch
from small import noise

from sgan.judging.metrics import (
    PATCHES_PER_PICTURE,
    count_faces,
    density_coverage,
    draw_patches,
    laplacian_pyramid,
    nearest,
    normalise_patches,
    octave_energies,
    octave_ratios,
    pyramid_filter,
    sliced_distance,
    swd,
)


def test_the_pyramid_filter_is_the_binomial_one():
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 8, 8)))
    taps = np.array([1, 4, 6, 4, 1]) / 16
    padded = np.pad(images.numpy(), ((0, 0), (0, 0), (2, 2), (2, 2)), mode="reflect")
    windows = np.lib.stride_tricks.sliding_window_view(padded, (5, 5), axis=(2, 3))
    expected = (windows * np.outer(taps, taps)).sum(axis=(-2, -1))
    assert np.allclose(pyramid_filter(images), expected, atol=1e-12)


def test_the_pyramid_adds_up_to_the_picture():
    images = torch.from_numpy(np.random.default_rng(0).standard_normal((2, 3, 64, 64)))
    levels = laplacian_pyramid(images)
    assert list(levels) == [64, 32, 16]
    whole = levels[16]
    for side in (32, 64):
        spread = torch.zeros_like(levels[side])
        spread[:, :, ::2, ::2] = 4 * whole
        whole = levels[side] + pyramid_filter(spread)
    assert torch.allclose(whole, images, atol=1e-12)


def test_patches_are_cut_from_their_picture():
    """Each picture holds its own number and its pixels' places; a patch must be 7 x 7 neighbours of one picture."""
    y, x = torch.meshgrid(torch.arange(16.0), torch.arange(16.0), indexing="ij")
    level = torch.stack([torch.stack([torch.full((16, 16), float(i)), y, x]) for i in range(5)])
    patches = draw_patches(level, np.random.RandomState(0))
    assert patches.shape == (5 * PATCHES_PER_PICTURE, 3, 7, 7)
    assert torch.equal(patches[:, 0, 3, 3], torch.arange(5.0).repeat_interleave(PATCHES_PER_PICTURE))
    assert (patches[:, 1].diff(dim=1) == 1).all() and (patches[:, 2].diff(dim=2) == 1).all()
    corner = patches[:, 1, 0, 0]
    assert corner.min() == 0 and corner.max() == 9  # every place where a patch fits


def test_normalised_patches():
    rows = normalise_patches(torch.randn(500, 3, 7, 7, generator=torch.Generator().manual_seed(0)) * 3 + 5)
    channels = rows.reshape(500, 3, 49)
    assert torch.allclose(channels.mean(dim=(0, 2)), torch.zeros(3), atol=1e-5)
    assert torch.allclose(channels.square().mean(dim=(0, 2)), torch.ones(3), atol=1e-5)


def plain_wasserstein(p, q):
    """The area between two cumulative distributions."""
    at = np.sort(np.concatenate([p, q]))
    below = [np.searchsorted(np.sort(values), at[:-1], side="right") / len(values) for values in (p, q)]
    return float((np.abs(below[0] - below[1]) * np.diff(at)).sum())


def test_the_sliced_distance_against_its_definition():
    random = np.random.default_rng(0)
    a, b = random.standard_normal((60, 5)), random.standard_normal((60, 5)) * 1.5 + 0.3
    axes = np.random.RandomState(7).standard_normal((16, 5))
    axes /= np.linalg.norm(axes, axis=1, keepdims=True)
    plain = np.mean([plain_wasserstein(a @ axis, b @ axis) for axis in axes])
    assert sliced_distance(torch.from_numpy(a), torch.from_numpy(b), seed=7, directions=16) == pytest.approx(plain)


def test_the_sliced_distance_of_a_shift_is_its_mean_projection():
    a = torch.randn(100, 3, dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    shift = torch.tensor([2.0, 0, 0], dtype=torch.float64)
    # On the sphere in three dimensions |x| is 1/2 on average.
    assert sliced_distance(a, a + shift, directions=4096) == pytest.approx(1.0, rel=0.03)


def test_swd_facts():
    rough, other, soft = noise(8, 32), noise(8, 32, seed=1), noise(8, 32, seed=2, smooth=1.5)
    assert swd(rough, rough) == {"16": 0.0, "32": 0.0, "mean": 0.0}
    near, far = swd(rough, other), swd(rough, soft)
    assert far["16"] > 1.5 * near["16"] and far["32"] > 2 * near["32"]
    assert swd(soft, rough) == pytest.approx(far, rel=1e-6)
    with pytest.raises(ValueError, match="alike"):
        swd(rough, other[:4])


def plain_density_coverage(real, fake, k):
    """Density and coverage as their definition reads, point by point."""
    distance = lambda p, q: float(np.sqrt(((p - q) ** 2).sum()))  # noqa: E731
    radii = [sorted(distance(p, q) for j, q in enumerate(real) if j != i)[k - 1] for i, p in enumerate(real)]
    hits = [[distance(p, q) < radius for q in fake] for p, radius in zip(real, radii)]
    return sum(map(sum, hits)) / (k * len(fake)), sum(map(any, hits)) / len(real)


def test_density_and_coverage_against_their_definition():
    random = np.random.default_rng(0)
    real, fake = random.standard_normal((30, 3)), random.standard_normal((20, 3)) * 0.7 + 0.4
    found = density_coverage(torch.from_numpy(real), torch.from_numpy(fake), k=3)
    assert found == pytest.approx(plain_density_coverage(real, fake, 3))


def test_density_and_coverage_facts():
    real = torch.randn(300, 8, generator=torch.Generator().manual_seed(0))
    assert density_coverage(real, real) == (1.0, 1.0)
    assert density_coverage(real, real + 100) == (0.0, 0.0)
    density, coverage = density_coverage(real, real[:1].repeat(300, 1))  # one face again and again
    assert coverage < 0.1
    # Centre of the cloud only: dense but not diverse, which is why there are two numbers.
    density, coverage = density_coverage(real, real * 0.1)
    assert density > 2 and coverage < 0.7
    with pytest.raises(ValueError, match="too few"):
        density_coverage(real[:5], real)


def test_nearest_leaves_itself_out():
    points = torch.tensor([[0.0], [1.0], [3.0], [7.0]])
    values, indices = nearest(points, points, 2, own=np.arange(4))
    assert values.tolist() == [[1, 3], [1, 2], [2, 3], [4, 6]]
    assert indices.tolist() == [[1, 2], [0, 2], [1, 0], [2, 1]]
    assert nearest(points, points, 1)[0].flatten().tolist() == [0, 0, 0, 0]


def test_octaves():
    rough, soft = noise(20, 32), noise(20, 32, smooth=1.5)
    assert list(octave_energies(rough)) == ["1-2", "2-4", "4-8", "8-16"]
    assert set(octave_ratios(rough, rough).values()) == {0.0}
    ratios = octave_ratios(rough, soft)
    assert ratios["8-16"] < -3 and ratios["1-2"] > 1
    half = (rough.astype(int) // 2).astype(np.uint8)  # half the contrast is a quarter of the energy: two octaves less
    assert all(ratio == pytest.approx(-2, abs=0.05) for ratio in octave_ratios(rough, half).values())
    wave = 128 + 100 * np.cos(2 * np.pi * 6 * np.arange(32) / 32)
    energies = octave_energies(np.broadcast_to(wave[None, None, :, None], (1, 32, 32, 3)).astype(np.uint8))
    assert energies["4-8"] > 100 * max(energies["2-4"], energies["8-16"])  # six cycles


def test_faces_are_counted():
    from skimage.data import astronaut

    face = astronaut()[0:256, 96:352]
    assert count_faces([face, noise(1, 64)[0]]) == [1, 0]

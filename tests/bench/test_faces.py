"""The arithmetic of bench/: distances between sets of faces, groups, alignment, and the table of the bars."""

import importlib
import sys
from dataclasses import fields
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

BENCH = Path(__file__).resolve().parents[2] / "bench"


@pytest.fixture(scope="module")
def bench():
    """A function that imports a module of bench/."""
    sys.path.insert(0, str(BENCH))
    yield importlib.import_module
    sys.path.remove(str(BENCH))


def test_frechet_distance_of_known_gaussians(bench):
    rng = np.random.default_rng(0)
    a = rng.normal(size=(200_000, 2)) * [1, 2]
    b = rng.normal(size=(200_000, 2)) * [3, 2] + [0, 5]
    assert bench("compare").frechet(a, b) == pytest.approx(5**2 + (3 - 1) ** 2, rel=0.02)
    assert bench("compare").frechet(a, a) == pytest.approx(0, abs=1e-6)


def test_mean_pairwise_distance(bench):
    assert bench("compare").mean_pairwise(np.array([[0.0], [1.0], [3.0]])) == pytest.approx((1 + 2 + 3) / 3)


def test_weights_count_like_copies(bench):
    compare, rng = bench("compare"), np.random.default_rng(0)
    rows, others, times = rng.normal(size=(3000, 2)), rng.normal(size=(50, 2)), rng.integers(1, 5, 3000)
    assert compare.mean_pairwise(np.array([[0.0], [4.0]]), np.array([3, 1])) == pytest.approx(4)
    copies = np.repeat(rows, times, axis=0)
    assert compare.frechet(rows, others, times) == pytest.approx(compare.frechet(copies, others), rel=0.01)


def test_shares_are_those_of_training(bench):
    from sgan.data.dataset import group_slots

    labels = ["few"] * 4 + ["many"] * 64
    for balance in (0, 0.5, 1):
        shares = bench("compare").shares_of(labels, balance)
        slots = group_slots([4, 64], balance)
        assert shares[:4].sum() == pytest.approx(np.mean(slots == 0), abs=0.01) and shares.sum() == pytest.approx(1)


def test_groups_are_told_apart_with_equal_priors(bench):
    compare, rng = bench("compare"), np.random.default_rng(0)
    many, few = rng.normal(size=(500, 3)), rng.normal(size=(40, 3)) + [6, 0, 0]
    features, labels = np.concatenate([many, few]), ["many"] * 500 + ["few"] * 40
    accuracy = compare.group_accuracy(features, labels)
    assert accuracy["many"] > 0.98 and accuracy["few"] > 0.95
    chance = compare.Groups(features, labels).probabilities(np.array([[3.0, 0, 0], [0, 0, 0]]))
    assert abs(chance[0, 0] - 0.5) < 0.2 and chance[1, 1] > 0.95


def test_the_nearest_picture_may_be_mirrored(bench):
    pictures = np.random.default_rng(0).integers(0, 256, (5, 32, 32, 3)).astype(np.uint8)
    distance, index = bench("compare").nearest(pictures[2:3, :, ::-1], pictures)
    assert index[0] == 2 and distance[0] < 0.1
    distance, index = bench("compare").nearest(pictures, pictures, same=True)
    assert (index != np.arange(5)).all() and (distance > 50).all()


def test_aligned_shapes_forget_place_size_and_turn(bench):
    align, rng = bench("measure").align_shapes, np.random.default_rng(0)
    shape = rng.normal(size=(468, 2))
    angle = 0.4
    turn = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    other = 3 * shape @ turn.T + [5, -2]
    aligned, reference = align(np.stack([shape, other]))
    assert np.abs(aligned[0] - aligned[1]).max() < 1e-9 and np.linalg.norm(reference) == pytest.approx(1)
    assert np.abs(align(other[None], reference)[0][0] - aligned[0]).max() < 1e-9


def test_finer_pictures_have_more_energy_in_the_face(bench):
    rng, energy = np.random.default_rng(0), bench("measure").face_energy
    noise = rng.integers(100, 140, (64, 64, 3)).astype(np.uint8)
    points = (rng.random((468, 2)) * 0.4 + 0.3).astype(np.float32)
    assert energy(noise, points) > 20 and energy(np.full_like(noise, 90), points) < 1e-6


def test_the_table_says_which_bars_are_met(bench):
    check = bench("check_faces")
    row = {name: 0.0 for name in check.BARS} | {
        "checkpoint": "0" * 64,
        "resolution": 64,
        "seeds": 9,
        "sec_per_sample": 1,
    }
    lines = check.table(row).splitlines()
    assert "| exactly one face, psi 0.7 | 0.000 | >= 0.995 | no |  |" in lines
    assert "| high-frequency energy in the face, octaves | 0.000 | within 0.3 | yes |  |" in lines
    assert check.passes("high-frequency energy in the face, octaves", -0.31) is False


def test_directions_that_change_faces_alike_are_taken_once(bench):
    from sgan.faces.editing import NamedDirection

    names = bench("name_directions")
    effects = np.eye(len(names.NAMES))
    found = [
        (f"{i}", NamedDirection("", "all", None, 1.0, -1, 1), effect)
        for i, effect in enumerate([3 * effects[0], -2 * effects[0], effects[1], 0.5 * effects[5], 0.1 * effects[7]])
    ]
    assert [origin for origin, _, _ in names.strongest(found)] == ["0", "2", "3"]


def test_training_pictures_are_measured_as_training_shows_them(bench, tmp_path, monkeypatch):
    measure, seen = bench("measure"), []
    pictures = np.random.default_rng(0).integers(0, 256, (40, 8, 8, 3)).astype(np.uint8)
    (tmp_path / "images").mkdir()
    for number, picture in enumerate(pictures):
        Image.fromarray(picture).save(tmp_path / "images" / f"{number:02}.png")

    def keep(turned):
        seen.append(np.stack(list(turned)))
        return measure.Faces(*(np.zeros(40) for _ in fields(measure.Faces)))

    monkeypatch.setattr(measure, "measure", keep)
    for flip in (True, True, False):
        measure.training_faces(tmp_path / "images", 8, tmp_path / "cache", flip)
    assert len(seen) == 2, "the second time they come from the cache"
    mirrored = (seen[0] == pictures[:, :, ::-1]).all((1, 2, 3))
    assert 10 < mirrored.sum() < 30 and (seen[0][~mirrored] == pictures[~mirrored]).all()
    assert (seen[1] == pictures).all()

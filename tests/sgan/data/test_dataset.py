"""Facts of the folder of pictures: decoding, cache, order of draws."""

from collections import Counter

import numpy as np
import pytest

from sgan.config import TrainConfig
from sgan.data.archive import DataError
from sgan.data.dataset import MAX_SLOTS, Sampler, group_slots, image_batches, open_dataset


def test_bad_files_are_left_out_and_told(folder, tmp_path):
    (folder / "a" / "broken.png").write_bytes(b"not a picture")
    whole = (folder / "a" / "0.png").read_bytes()
    (folder / "a" / "cut.png").write_bytes(whole[: len(whole) // 2])
    data = open_dataset(folder, 8, tmp_path / "cache")
    assert len(data) == 8
    assert sorted(name for name, _ in data.bad) == ["a/broken.png", "a/cut.png"]
    assert all("cannot be read" in reason for _, reason in data.bad)


def test_only_bad_files_is_an_error(tmp_path):
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "x.jpg").write_bytes(b"")
    with pytest.raises(DataError, match=r"x\.jpg"):
        open_dataset(tmp_path / "in", 8, tmp_path / "cache")


def test_an_epoch_shows_every_image_in_both_directions():
    sampler = Sampler([np.arange(7)], flip=True, seed=3)
    draws = Counter(sampler[n] for n in range(14))
    assert set(draws) == {(i, mirrored) for i in range(7) for mirrored in (False, True)}
    assert set(draws.values()) == {1}


def test_without_flip_nothing_is_mirrored():
    sampler = Sampler([np.arange(7)], flip=False)
    assert sorted(sampler[n] for n in range(7)) == [(i, False) for i in range(7)]


def test_draws_depend_on_seed_and_position_alone():
    groups = [np.arange(5), np.arange(5, 30)]
    first, again, other = (Sampler(groups, 0.5, seed=seed) for seed in (1, 1, 2))
    forwards = [first[n] for n in range(500)]
    assert [again[n] for n in reversed(range(500))] == forwards[::-1]
    assert [other[n] for n in range(500)] != forwards


def test_balance_shares():
    groups = [np.arange(90), np.arange(90, 100)]
    samplers = [Sampler(groups, balance) for balance in (0.0, 0.5, 1.0)]
    small = [sum(sampler[n][0] >= 90 for n in range(1200)) / 1200 for sampler in samplers]
    assert small[0] == pytest.approx(0.1, abs=0.02)
    assert small[1] == pytest.approx(0.25, abs=0.02)  # sqrt(10) / (sqrt(10) + sqrt(90))
    assert small[2] == pytest.approx(0.5, abs=0.02)


def test_balanced_groups_are_walked_evenly():
    sampler = Sampler([np.arange(90), np.arange(90, 100)], balance=1.0, flip=False)
    counts = Counter(index for index, _ in (sampler[n] for n in range(3600)))
    assert max(counts.values()) == 180 and min(counts.values()) == 20


def test_every_group_has_a_slot():
    slots = group_slots([10**7, 1, 5], 0.0)
    assert set(slots) == {0, 1, 2} and len(slots) <= MAX_SLOTS + 2


@pytest.mark.parametrize(
    ("sizes", "balance"),
    [([100_000, 10], 0.01), ([*range(1, 36)] * 60, 0.1), ([20] * 3000, 0.5), ([500, 3, 3], 0.3)],
    ids=["a small one", "many of all sizes", "many alike", "few"],
)
def test_shares_follow_balance_however_many_or_small_the_groups_are(sizes, balance):
    shares = np.asarray(sizes) ** (1.0 - balance)
    counts = np.bincount(group_slots(sizes, balance), minlength=len(sizes))
    assert counts / counts.sum() == pytest.approx(shares / shares.sum(), rel=0.07)


def test_rounds_of_120_stay_as_they_were_where_they_suffice():
    """Saved runs go on with the same draws."""
    for sizes, balance, counts in (
        ([90, 10], 0.5, [90, 30]), ([400, 300, 200, 100], 0.7, [35, 33, 29, 23]), ([7] * 120, 0.3, [1] * 120),
    ):  # fmt: skip
        slots = group_slots(sizes, balance)
        assert list(np.bincount(slots)) == counts


def test_batches_follow_the_schedule_and_can_start_anywhere(folder, tmp_path):
    data = open_dataset(folder, 16, tmp_path / "cache")
    config = TrainConfig(max_step=2, step=1, n_sample=8, batch_size={8: 4, 16: 2})
    batches = image_batches(data, config)
    shapes = [next(batches).shape for _ in range(4)]
    assert shapes == [(4, 3, 8, 8), (4, 3, 8, 8), (2, 3, 16, 16), (2, 3, 16, 16)]
    batches, later = image_batches(data, config), image_batches(data, config, start_nimg=8)
    next(batches), next(batches)
    assert np.array_equal(next(batches), next(later))


def test_processes_share_a_batch(folder, tmp_path):
    data = open_dataset(folder, 8, tmp_path / "cache")
    config = TrainConfig(max_step=1, mini_batch_size=4)
    parts = [next(image_batches(data, config, rank=rank, world=2)) for rank in (0, 1)]
    assert np.array_equal(np.concatenate(parts), next(image_batches(data, config)))

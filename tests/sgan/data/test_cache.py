"""The cache of decoded pictures."""

import errno
import os
import shutil
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from sgan.data.archive import DataError
from sgan.data.cache import AHEAD, _host, map_ahead, pyramid
from sgan.data.dataset import open_dataset


def test_cache_holds_every_resolution_and_is_used_again(folder, tmp_path):
    data = open_dataset(folder, 16, tmp_path / "cache")
    assert sorted(data.pixels) == [4, 8, 16]
    assert [int(pixels[3, 0, 0, 0]) for pixels in data.pixels.values()] == [30, 30, 30]

    def refuse(files):
        raise AssertionError("decoded again")

    assert len(open_dataset(folder, 16, tmp_path / "cache", refuse)) == 8


def test_a_changed_folder_is_decoded_again(folder, tmp_path):
    open_dataset(folder, 8, tmp_path / "cache")
    Image.new("RGB", (8, 8)).save(folder / "b" / "new.png")
    assert len(open_dataset(folder, 8, tmp_path / "cache")) == 9


def test_two_runs_may_build_the_cache_at_once(folder, tmp_path):
    with ThreadPoolExecutor(4) as pool:
        sizes = list(pool.map(lambda _: len(open_dataset(folder, 8, tmp_path / "cache")), range(4)))
    assert sizes == [8] * 4
    assert len(list((tmp_path / "cache").iterdir())) == 1


def test_the_pyramid_is_the_rounded_mean_of_four(tmp_path):
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    levels = pyramid(image)
    assert [len(level) for level in levels] == [16, 8, 4]
    for fine, coarse in zip(levels, levels[1:], strict=False):
        mean = np.floor(fine.reshape(len(coarse), 2, len(coarse), 2, 3).mean(axis=(1, 3)) + 0.5)
        assert np.array_equal(coarse, mean)


def test_only_a_few_pictures_are_decoded_ahead():
    started = []
    results = map_ahead(lambda i: started.append(i) or i, range(10 * AHEAD))
    for i in range(5):
        assert next(results) == i
    assert len(started) <= AHEAD + 5
    results.close()


def test_an_older_cache_goes_unless_it_is_open(folder, tmp_path):
    def caches():
        return sorted(path.name for path in (tmp_path / "cache").glob("*/*-*"))

    in_use = open_dataset(folder, 8, tmp_path / "cache")
    open_dataset(folder, 4, tmp_path / "cache")
    first = caches()
    (folder / "b" / "7.png").unlink()
    open_dataset(folder, 8, tmp_path / "cache")
    assert len(caches()) == 3 and set(first) < set(caches())  # the training that has it open still needs it
    del in_use
    (folder / "b" / "6.png").unlink()
    last = open_dataset(folder, 8, tmp_path / "cache")
    assert len(caches()) == 2 and len(last) == 6  # and the one of the other resolution stays


def test_a_damaged_cache_and_a_killed_build_are_made_good(folder, tmp_path):
    data = open_dataset(folder, 8, tmp_path / "cache")
    (where,) = (tmp_path / "cache").glob("*/8-*")
    del data
    with open(where / "8.u8", "r+b") as file:
        file.truncate(100)
    left = where.parent / f".building-{_host()}-x"
    left.mkdir()
    data = open_dataset(folder, 8, tmp_path / "cache")
    assert len(data) == 8 and int(data.pixels[8][7, 0, 0, 0]) == 70 and not left.exists()


def test_a_full_disk_and_an_unwritable_cache_say_what_to_do(folder, tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    with pytest.raises(DataError, match=r"cannot be written \(Not a directory\); set RANDOM_UNREAL_FACE_CACHE"):
        open_dataset(folder, 8, tmp_path / "file" / "cache")
    usage = shutil.disk_usage(tmp_path)
    with monkeypatch.context() as patch:
        patch.setattr(shutil, "disk_usage", lambda path: usage._replace(free=1000))
        with pytest.raises(DataError, match="8 images at 8 needs 0.0 MB, but .* make room"):
            open_dataset(folder, 8, tmp_path / "cache")

    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        with pytest.raises(DataError, match="the disk is full"):
            open_dataset(folder, 8, tmp_path / "cache")
    assert [path.name for path in (tmp_path / "cache").glob("*/*")] == ["lock"]
    assert len(open_dataset(folder, 8, tmp_path / "cache")) == 8

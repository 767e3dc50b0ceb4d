"""Facts of the folder of pictures: decoding, cache, order of draws."""

from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
from PIL import Image

from sgan.config import TrainConfig
from sgan.data import DataError, Sampler, decode_image, group_slots, image_batches, list_images, open_dataset


@pytest.fixture
def folder(tmp_path):
    """Two sub-folders, 6 and 2 plain colours, whose red value is their number."""
    for i in range(8):
        path = tmp_path / "faces" / ("a" if i < 6 else "b") / f"{i}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("RGB", (20, 16), (i * 10, 100, 200)).save(path)
    return tmp_path / "faces"


def test_decoding_takes_the_centre_square(tmp_path):
    image = np.zeros((8, 24, 3), np.uint8)
    image[:, 8:16] = 255
    Image.fromarray(image).save(tmp_path / "wide.png")
    assert (decode_image(tmp_path / "wide.png", 8) == 255).all()


def test_decoding_turns_upright(tmp_path):
    image = Image.new("RGB", (8, 8), "black")
    image.paste("white", (0, 0, 8, 4))  # white on top
    exif = Image.Exif()
    exif[0x0112] = 6  # to be turned clockwise: white goes to the right
    image.save(tmp_path / "turned.png", exif=exif)
    upright = decode_image(tmp_path / "turned.png", 8)
    assert (upright[:, 4:] == 255).all() and (upright[:, :4] == 0).all()


def test_decoding_every_kind_of_colour(tmp_path):
    cases = {
        "grey.png": (Image.new("L", (8, 8), 128), (128, 128, 128)),
        "grey16.png": (Image.fromarray(np.full((8, 8), 32768, np.uint16)), (128, 128, 128)),
        "clear.png": (Image.new("RGBA", (8, 8), (255, 0, 0, 0)), (255, 255, 255)),
        "half.png": (Image.new("RGBA", (8, 8), (255, 0, 0, 128)), (255, 127, 127)),
        "palette.png": (Image.new("RGB", (8, 8), (10, 20, 30)).convert("P"), None),
        "print.tif": (Image.new("CMYK", (8, 8), (0, 0, 0, 0)), (255, 255, 255)),
    }
    for name, (image, colour) in cases.items():
        image.save(tmp_path / name)
        decoded = decode_image(tmp_path / name, 4)
        assert decoded.shape == (4, 4, 3) and decoded.dtype == np.uint8
        if colour is not None:
            assert np.abs(decoded.astype(int) - colour).max() <= 1, name


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        list_images(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match="has no image"):
        list_images(tmp_path)


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
    forwards = [Sampler(groups, 0.5, seed=1)[n] for n in range(500)]
    again = Sampler(groups, 0.5, seed=1)
    assert [again[n] for n in reversed(range(500))] == forwards[::-1]
    assert [Sampler(groups, 0.5, seed=2)[n] for n in range(500)] != forwards


def test_balance_shares():
    groups = [np.arange(90), np.arange(90, 100)]
    small = [sum(Sampler(groups, balance)[n][0] >= 90 for n in range(1200)) / 1200 for balance in (0.0, 0.5, 1.0)]
    assert small[0] == pytest.approx(0.1, abs=0.02)
    assert small[1] == pytest.approx(0.25, abs=0.02)  # sqrt(10) / (sqrt(10) + sqrt(90))
    assert small[2] == pytest.approx(0.5, abs=0.02)


def test_balanced_groups_are_walked_evenly():
    sampler = Sampler([np.arange(90), np.arange(90, 100)], balance=1.0, flip=False)
    counts = Counter(index for index, _ in (sampler[n] for n in range(3600)))
    assert max(counts.values()) == 180 and min(counts.values()) == 20


def test_every_group_has_a_slot():
    slots = group_slots([10**6, 1, 5], 0.0)
    assert set(slots) == {0, 1, 2}


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

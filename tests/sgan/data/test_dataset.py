"""Facts of the folder of pictures: decoding, cache, order of draws."""

import errno
import os
import shutil
import zipfile
import zlib
from collections import Counter
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from sgan.config import TrainConfig
from sgan.data.cache import AHEAD, _host, map_ahead, pyramid
from sgan.data.dataset import (
    MAX_SLOTS,
    DataError,
    Sampler,
    decode_image,
    group_slots,
    image_batches,
    list_images,
    open_dataset,
)
from sgan.data.pictures import decode_whole


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


def test_sixteen_bits_profiles_and_inks(tmp_path):
    deep = np.zeros((8, 8, 3), np.uint16)
    deep[:] = 32768, 65535, 1000  # RGB
    cv2.imwrite(str(tmp_path / "deep.png"), deep[..., ::-1])
    cv2.imwrite(str(tmp_path / "deep.tif"), deep[..., ::-1])
    for name in ("deep.png", "deep.tif"):
        assert np.abs(decode_image(tmp_path / name, 4).astype(int) - (128, 255, 4)).max() <= 1
        assert "16 bit" in decode_whole(tmp_path / name)[1]
    Image.new("CMYK", (8, 8), (0, 255, 255, 0)).save(tmp_path / "print.jpg")
    assert b"Adobe" in (tmp_path / "print.jpg").read_bytes()  # such files hold inverted inks
    assert np.abs(decode_image(tmp_path / "print.jpg", 4).astype(int) - (255, 0, 0)).max() <= 2
    lab = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.new("RGB", (8, 8), (200, 30, 90)).save(tmp_path / "tagged.png", icc_profile=lab)
    assert np.abs(decode_image(tmp_path / "tagged.png", 4).astype(int) - (200, 30, 90)).max() <= 1
    Image.new("RGB", (8, 8), (200, 30, 90)).save(tmp_path / "odd.png", icc_profile=b"no profile")
    assert (decode_image(tmp_path / "odd.png", 4) == (200, 30, 90)).all()


def test_a_wide_profile_becomes_srgb(tmp_path):
    """Green of a profile with swapped red and green is red."""
    profile = bytearray(ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes())
    tags = [profile[132 + 12 * i :][:12] for i in range(int.from_bytes(profile[128:132], "big"))]
    at = {bytes(tag[:4]): 132 + 12 * i for i, tag in enumerate(tags)}
    profile[at[b"rXYZ"] : at[b"rXYZ"] + 4], profile[at[b"gXYZ"] : at[b"gXYZ"] + 4] = b"gXYZ", b"rXYZ"
    Image.new("RGB", (8, 8), (0, 255, 0)).save(tmp_path / "swapped.png", icc_profile=bytes(profile))
    assert np.abs(decode_image(tmp_path / "swapped.png", 4).astype(int) - (255, 0, 0)).max() <= 2


def test_what_cannot_be_told_is_refused_by_name(tmp_path):
    Image.fromarray(np.full((8, 8), 70_000, np.int32)).save(tmp_path / "counts.tif")
    with pytest.raises(DataError, match=r"counts\.tif .*8 or 16 bits"):
        decode_image(tmp_path / "counts.tif", 4)
    chunk = b"IHDR" + (40_000).to_bytes(4, "big") * 2 + bytes([8, 2, 0, 0, 0])
    bomb = b"\x89PNG\r\n\x1a\n" + (13).to_bytes(4, "big") + chunk + zlib.crc32(chunk).to_bytes(4, "big")
    (tmp_path / "bomb.png").write_bytes(bomb)
    with pytest.raises(DataError, match=r"bomb\.png"):
        decode_image(tmp_path / "bomb.png", 4)


@pytest.mark.filterwarnings("ignore::UserWarning:PIL")
def test_every_damaged_file_is_a_named_error(tmp_path):
    """Files cut or scribbled anywhere end in a DataError or in a picture, never in anything else."""
    rng = np.random.default_rng(0)
    picture = Image.fromarray(rng.integers(0, 256, (12, 12, 3), dtype=np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6
    for suffix in ("png", "jpg", "webp", "tif", "bmp"):
        picture.save(tmp_path / f"whole.{suffix}", **({} if suffix == "bmp" else {"exif": exif}))
        whole = (tmp_path / f"whole.{suffix}").read_bytes()
        path = tmp_path / f"bad.{suffix}"
        for _ in range(40):
            data = bytearray(whole[: rng.integers(1, len(whole) + 1)])
            data[rng.integers(len(data))] = rng.integers(256)
            path.write_bytes(data)
            try:
                assert decode_image(path, 4).shape == (4, 4, 3)
            except DataError as error:
                assert f"bad.{suffix}" in str(error)


def zipped(folder, path):
    with zipfile.ZipFile(path, "w") as archive:
        for file in sorted(folder.rglob("*.*")):
            archive.write(file, f"img_align_celeba/{file.relative_to(folder)}")
    return path


def test_a_zip_gives_what_its_folder_gives(folder, tmp_path):
    path = zipped(folder, tmp_path / "faces.zip")
    from_folder, from_zip = open_dataset(folder, 8, tmp_path / "c"), open_dataset(path, 8, tmp_path / "c")
    assert from_zip.names == tuple(f"img_align_celeba/{name}" for name in from_folder.names)
    assert [list(group) for group in from_zip.groups] == [list(range(6)), [6, 7]]
    for size, pixels in from_folder.pixels.items():
        assert np.array_equal(pixels, from_zip.pixels[size])
    first = list_images(path)[0]
    assert np.array_equal(decode_image(first, 8), from_zip.pixels[8][0]) and first.parent.name == "a"


def test_a_hostile_zip_is_refused_member_by_member(folder, tmp_path):
    good = (folder / "a" / "1.png").read_bytes()
    path = tmp_path / "hostile.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("good.png", good)
        archive.writestr("../../climbs.png", good)
        archive.writestr("/root.png", good)
        archive.writestr("C:\\windows.png", good)
        archive.writestr("zeros.bmp", bytes(20 * 2**20))
        archive.writestr("line\nbreak.png", b"")
        archive.writestr("__MACOSX/._good.png", b"resource fork")
        link = zipfile.ZipInfo("link.png")
        link.external_attr = 0o120777 << 16
        archive.writestr(link, "/etc/passwd")
    data = open_dataset(path, 8, tmp_path / "cache")
    bad = dict(data.bad)
    assert data.names == ("good.png",)
    assert set(bad) == {
        "../../climbs.png", "/root.png", "C:/windows.png", "zeros.bmp", "line\\nbreak.png", "link.png"
    }  # fmt: skip
    assert "leads out" in bad["../../climbs.png"] and "link" in bad["link.png"] and "times its size" in bad["zeros.bmp"]
    assert all("\n" not in reason for reason in bad.values())
    assert sorted(path.name for path in tmp_path.iterdir()) == ["cache", "faces", "hostile.zip"]  # nothing unpacked


def test_a_damaged_or_locked_member_is_left_out(folder, tmp_path):
    path = zipped(folder, tmp_path / "faces.zip")
    data = bytearray(path.read_bytes())
    data[data.index(b"IDAT") + 6] ^= 255  # the first picture's own bytes, so that its checksum fails
    last = data.rindex(b"PK\x01\x02")
    data[last + 8] |= 1  # the last one says that it is encrypted
    path.write_bytes(data)
    bad = dict(open_dataset(path, 8, tmp_path / "cache").bad)
    assert "Bad CRC" in bad["img_align_celeba/a/0.png"] and "encrypted" in bad["img_align_celeba/b/7.png"]
    assert len(bad) == 2


def test_damaged_zips_and_other_files_are_named(folder, tmp_path):
    path = zipped(folder, tmp_path / "faces.zip")
    path.write_bytes(path.read_bytes()[:-40])
    with pytest.raises(DataError, match=r"faces\.zip is neither"):
        open_dataset(path, 8, tmp_path / "cache")
    above = tmp_path / "celeba"
    above.mkdir()
    zipped(folder, above / "img_align_celeba.zip")
    with pytest.raises(DataError, match=r"it holds img_align_celeba\.zip"):
        list_images(above)


def test_links_are_followed_once_and_hidden_files_passed_over(folder, tmp_path):
    (folder / "a" / "loop").symlink_to(folder)
    (tmp_path / "more").mkdir()
    (folder / "a" / "0.png").rename(tmp_path / "more" / "0.png")
    (folder / "linked").symlink_to(tmp_path / "more")
    (folder / "dangling.png").symlink_to(tmp_path / "nowhere.png")
    (folder / ".ipynb_checkpoints").mkdir()
    (folder / ".ipynb_checkpoints" / "x.png").write_bytes(b"")
    (folder / "a" / "._1.png").write_bytes(b"")
    data = open_dataset(folder, 8, tmp_path / "cache")
    assert data.names == (*(f"a/{i}.png" for i in range(1, 6)), "b/6.png", "b/7.png", "linked/0.png")
    assert [name for name, _ in data.bad] == ["dangling.png"]


def test_a_name_that_is_no_text_does_no_harm(folder, tmp_path):
    name = os.fsdecode(b"caf\xe9.png")
    (folder / name).write_bytes(b"")
    bad = open_dataset(folder, 8, tmp_path / "cache").bad
    assert [name for name, _ in bad] == ["caf\\udce9.png"]
    "".join(map(str, bad)).encode()


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

"""Facts about reading and writing pictures."""

import os
import struct

import numpy as np
import pytest
from drawn_face import small_file
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image, ImageOps

from faceswap.media import images
from provenance import COMPOSITE, read_mark

RGB = np.random.default_rng(0).integers(0, 256, (20, 30, 3)).astype(np.uint8)


def test_exif_orientation_is_applied_and_reset(tmp_path):
    exif = Image.Exif()
    exif[0x0112], exif[0x010F] = 6, "camera"
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    picture = images.read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.rgb, np.rot90(RGB, -1))
    kept = Image.Exif()
    kept.load(picture.exif)
    assert kept[0x010F] == "camera" and 0x0112 not in kept


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_turned_upright_as_pillow_does(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        upright = np.array(ImageOps.exif_transpose(image))
    np.testing.assert_array_equal(images.read_image(tmp_path / "a.png"), upright)


@pytest.mark.parametrize("block", [b"broken block", b"II*\0", b"XX*\0\x08\0\0\0", b"II*\0\xff\xff\xff\x7f"])
def test_a_photo_that_can_be_seen_is_read_whatever_its_exif_block_holds(tmp_path, block):
    Image.fromarray(RGB).save(tmp_path / "a.jpg", exif=b"Exif\0\0" + block, dpi=(72, 72))
    picture = images.read_picture(tmp_path / "a.jpg")
    assert picture.rgb.shape == RGB.shape and picture.dpi == (72, 72)


def test_a_jpeg_is_read_small_where_that_is_enough_and_shows_the_same(tmp_path):
    picture = np.array(Image.fromarray(np.indices((12, 16)).sum(0).astype(np.uint8) * 9).resize((800, 600)))
    picture = np.repeat(picture[:, :, None], 3, 2)
    for name, least, size in (("a.jpg", 150, (150, 200)), ("a.jpg", 160, (300, 400)), ("a.png", 150, (600, 800))):
        Image.fromarray(picture).save(tmp_path / name, quality=95)
        small = images.read_image(tmp_path / name, least)
        assert small.shape == (*size, 3)
        wanted = np.array(Image.fromarray(picture).resize(size[::-1], Image.Resampling.BOX))
        assert np.abs(small.astype(int) - wanted).mean() < 2
    assert images.read_image(tmp_path / "a.jpg").shape == picture.shape


def test_alpha_grey_and_resolution_survive(tmp_path):
    rgba = np.dstack([RGB, RGB[:, :, 0]])
    Image.fromarray(rgba).save(tmp_path / "a.png", dpi=(300, 300))
    picture = images.read_picture(tmp_path / "a.png")
    np.testing.assert_array_equal(picture.alpha, rgba[:, :, 3])
    images.write_picture(tmp_path / "b.png", images.with_pixels(picture, 255 - picture.rgb), {"a": 1})
    with Image.open(tmp_path / "b.png") as again:
        assert again.mode == "RGBA" and round(again.info["dpi"][0]) == 300
        np.testing.assert_array_equal(np.array(again), np.dstack([255 - RGB, rgba[:, :, 3]]))
    Image.fromarray(RGB[:, :, 0]).save(tmp_path / "grey.png")
    picture = images.read_picture(tmp_path / "grey.png")
    assert picture.grey and (picture.rgb == RGB[:, :, :1]).all()
    images.write_picture(tmp_path / "c.png", picture, {})
    with Image.open(tmp_path / "c.png") as again:
        assert again.mode == "L"


def test_transparency_is_dropped_where_the_format_has_none(tmp_path):
    picture = images.Picture(RGB, alpha=RGB[:, :, 0])
    images.write_picture(tmp_path / "a.jpg", picture, {})
    with Image.open(tmp_path / "a.jpg") as again:
        assert again.mode == "RGB"


def test_sixteen_bits_become_eight(tmp_path):
    deep = np.arange(600, dtype=np.uint16).reshape(20, 30) * 109
    Image.fromarray(deep).save(tmp_path / "deep.png")
    picture = images.read_picture(tmp_path / "deep.png")
    assert np.abs(picture.rgb[:, :, 1] - deep / 257).max() <= 0.51


def test_an_icc_profile_is_kept(tmp_path):
    from PIL import ImageCms

    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    Image.fromarray(RGB).save(tmp_path / "a.png", icc_profile=profile)
    images.write_picture(tmp_path / "b.jpg", images.read_picture(tmp_path / "a.png"), {})
    with Image.open(tmp_path / "b.jpg") as again:
        assert again.info["icc_profile"] == profile


def test_the_result_says_that_it_is_a_composite(tmp_path):
    images.write_picture(tmp_path / "a.png", images.Picture(RGB), {"src": "face.png", "faces": 2})
    mark = read_mark(tmp_path / "a.png")
    assert mark.source_type == COMPOSITE and mark.settings == {"src": "face.png", "faces": 2}


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nothing.png: no such file"):
        images.read_picture(tmp_path / "nothing.png")
    with pytest.raises(ValueError, match="is a folder"):
        images.read_picture(tmp_path)


@settings(max_examples=60, deadline=None)
@given(data=st.data(), kind=st.sampled_from(["PNG", "JPEG", "GIF", "TIFF", "WEBP", "BMP"]))
def test_damaged_files_give_one_sentence(tmp_path_factory, data, kind):
    path = tmp_path_factory.getbasetemp() / f"damaged.{kind.lower()}"
    Image.fromarray(RGB).save(path, kind)
    content = bytearray(path.read_bytes())
    if data.draw(st.booleans()):
        content = content[: data.draw(st.integers(0, len(content) - 1))]
    for _ in range(data.draw(st.integers(0, 4))):
        if content:
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
    path.write_bytes(content)
    try:
        assert images.read_picture(path).rgb.dtype == np.uint8
    except (ValueError, OSError) as error:
        assert str(path) in str(error) and "\n" not in str(error)


def test_a_huge_picture_is_refused_before_it_fills_the_memory(tmp_path):
    Image.fromarray(RGB[:, :, 0]).save(tmp_path / "a.png")
    content = bytearray((tmp_path / "a.png").read_bytes())
    content[16:24] = struct.pack(">II", 60000, 60000)
    import zlib

    content[29:33] = struct.pack(">I", zlib.crc32(content[12:29]))
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(ValueError, match="too many pixels"):
        images.read_picture(tmp_path / "a.png")


def test_outputs_are_checked_before_the_work(tmp_path):
    with pytest.raises(ValueError, match="unknown ending"):
        images.check_output(tmp_path / "a.xyz")
    with pytest.raises(IsADirectoryError):
        (tmp_path / "b.png").mkdir()
        images.check_output(tmp_path / "b.png")
    (tmp_path / "c").write_text("")
    with pytest.raises(NotADirectoryError):
        images.check_output(tmp_path / "c" / "d.png")
    (tmp_path / "in.png").write_text("")
    with pytest.raises(ValueError, match="overwrite an input"):
        images.check_output(tmp_path / "x" / ".." / "in.png", (tmp_path / "in.png",)) if os.name == "nt" else None
        images.check_output(tmp_path / "in.png", (tmp_path / "in.png",))
    assert images.check_output(tmp_path / "new" / "deep" / "e.png") == tmp_path / "new" / "deep" / "e.png"
    assert not (tmp_path / "new").exists()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 3), (4, 5, 4)])
def test_arrays_become_rgb(shape):
    assert images.as_rgb(np.zeros(shape, np.uint8)).shape == (4, 5, 3)


def test_results_below_the_photos_are_no_photos_and_may_not_lie_among_them(tmp_path):
    home = tmp_path / "photos"
    photo, inner = small_file(home / "a.png"), small_file(home / "photos" / "b.png")
    small_file(home / "out" / "a.png")
    assert images.list_photos(home, home / "out") == [photo, inner]
    with pytest.raises(ValueError, match="among the photos"):
        images.list_photos(home, home)
    with pytest.raises(ValueError, match="among the photos"):
        images.list_photos(home, tmp_path)  # photos/photos/b.png would become photos/b.png
    inner.unlink()
    assert photo in images.list_photos(home, tmp_path)
    photo.unlink()
    with pytest.raises(ValueError, match="beside the results"):
        images.list_photos(home, home / "out")

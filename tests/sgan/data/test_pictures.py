"""Picture files as people see them."""

import zlib

import cv2
import numpy as np
import pytest
from PIL import Image, ImageCms

from sgan.data.archive import DataError
from sgan.data.pictures import decode_image, decode_whole


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

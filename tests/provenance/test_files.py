"""Marks survive every format, are found by independent means, and neither disk nor strangers' files do harm."""

import io
import os
import struct
import zlib

import numpy as np
import pytest
from marks import MARK, draw
from PIL import ExifTags, Image, ImageCms

from provenance import COMPOSITE, GENERATED, Mark, read_mark, to_xmp, write_image

URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"
SUFFIXES = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".JPG"]
LOSSLESS = [".png", ".tif"]
MAKE, SOFTWARE, ORIENTATION, EXIF_IFD, EXPOSURE = 271, 305, 274, 34665, 33434


def make_exif() -> bytes:
    """Return the EXIF of a photo, with a thumbnail of its own."""
    thumbnail = io.BytesIO()
    Image.new("RGB", (16, 16), "red").save(thumbnail, "JPEG")
    jpeg = thumbnail.getvalue()
    make = b"Camera\0\0"
    first = 8 + 2 + 12 + 4 + len(make)  # where the thumbnail's directory stands
    ifd0 = struct.pack("<HHHIII", 1, MAKE, 2, 7, 8 + 2 + 12 + 4, first)
    at = first + 2 + 3 * 12 + 4
    ifd1 = struct.pack("<H", 3) + struct.pack("<HHII", 259, 3, 1, 6)
    ifd1 += struct.pack("<HHII", 513, 4, 1, at) + struct.pack("<HHII", 514, 4, 1, len(jpeg)) + bytes(4)
    return b"Exif\0\0II*\0\x08\0\0\0" + ifd0 + make + ifd1 + jpeg


@pytest.mark.parametrize("suffix", SUFFIXES)
@pytest.mark.parametrize("source_type", [GENERATED, COMPOSITE])
def test_mark_survives_in_every_format(tmp_path, suffix, source_type):
    mark = Mark(source_type, MARK.settings)
    path = tmp_path / f"face{suffix}"
    write_image(path, draw(), mark)
    assert read_mark(path) == mark
    assert (URI + source_type + "<").encode() in path.read_bytes()


@pytest.mark.parametrize("channels", [None, 3, 4])
@pytest.mark.parametrize("suffix", LOSSLESS)
def test_lossless_files_keep_every_pixel(tmp_path, suffix, channels):
    image = draw(channels=channels)
    write_image(tmp_path / f"a{suffix}", image, MARK, exif=make_exif(), dpi=72)
    assert np.array_equal(np.asarray(Image.open(tmp_path / f"a{suffix}")), image)


def test_webp_is_lossless_at_100(tmp_path):
    write_image(tmp_path / "a.webp", draw(channels=4), MARK, quality=100)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.webp").convert("RGBA")), draw(channels=4))


def test_arrays_need_not_be_contiguous(tmp_path):
    image = draw()[::2, ::-1]
    write_image(tmp_path / "a.png", image, MARK)
    assert np.array_equal(np.asarray(Image.open(tmp_path / "a.png")), image)


def test_quality_counts(tmp_path):
    for quality in (30, 95):
        write_image(tmp_path / f"{quality}.jpg", draw(), MARK, quality=quality)
    assert (tmp_path / "95.jpg").stat().st_size > 1.5 * (tmp_path / "30.jpg").stat().st_size


def test_packets_stand_where_the_formats_want_them(tmp_path):
    packet = to_xmp(MARK)
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        write_image(tmp_path / f"a{suffix}", draw(), MARK)
    raw = {path.suffix: path.read_bytes() for path in tmp_path.iterdir()}
    assert b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + packet in raw[".png"]
    segment = b"\xff\xe1" + struct.pack(">H", len(packet) + 31) + b"http://ns.adobe.com/xap/1.0/\0" + packet
    assert segment in raw[".jpg"]
    assert b"XMP " + struct.pack("<I", len(packet)) + packet in raw[".webp"]
    assert Image.open(tmp_path / "a.tif").tag_v2[700] == packet


def test_files_without_a_mark(tmp_path):
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        Image.fromarray(draw()).save(tmp_path / f"a{suffix}")
        assert read_mark(tmp_path / f"a{suffix}") is None


def test_png_mark_behind_the_pixels_is_found(tmp_path):
    plain = io.BytesIO()
    Image.fromarray(draw()).save(plain, "PNG")
    body = b"iTXtXML:com.adobe.xmp\0\0\0\0\0" + to_xmp(MARK)
    chunk = struct.pack(">I", len(body) - 4) + body + struct.pack(">I", zlib.crc32(body))
    end = plain.getvalue().rindex(b"IEND") - 4
    (tmp_path / "a.png").write_bytes(plain.getvalue()[:end] + chunk + plain.getvalue()[end:])
    assert read_mark(tmp_path / "a.png") == MARK


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_broken_files_end_in_one_sentence(tmp_path, suffix):
    whole = tmp_path / f"whole{suffix}"
    write_image(whole, draw(), MARK)
    broken = tmp_path / f"broken{suffix}"
    data = whole.read_bytes()
    for cut in [*range(0, 40), *range(40, len(data), max(1, len(data) // 60))]:
        broken.write_bytes(data[:cut])
        try:
            assert read_mark(broken) in (None, MARK)
        except ValueError as error:
            assert str(error) == f"{broken} is not a readable picture"


def test_reading_nothing(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"^.*none.png does not exist$"):
        read_mark(tmp_path / "none.png")
    with pytest.raises(OSError, match="is a folder"):
        read_mark(tmp_path)
    (tmp_path / "text.png").write_text("hello")
    with pytest.raises(ValueError, match="text.png is not a readable picture"):
        read_mark(tmp_path / "text.png")


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_exif_is_passed_on_without_its_thumbnail(tmp_path, suffix):
    exif = make_exif()
    with_thumbnail = Image.Exif()
    with_thumbnail.load(exif)
    assert with_thumbnail.get_ifd(ExifTags.IFD.IFD1)[513]  # the fixture really holds one
    write_image(tmp_path / f"a{suffix}", draw(), MARK, exif=exif)
    picture = Image.open(tmp_path / f"a{suffix}")
    assert picture.getexif()[MAKE] == "Camera"
    assert not picture.getexif().get_ifd(ExifTags.IFD.IFD1)
    assert b"JFIF" not in (tmp_path / f"a{suffix}").read_bytes()[20:]
    assert read_mark(tmp_path / f"a{suffix}") == MARK


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_exif_keeps_orientation_and_sub_directories(tmp_path, suffix):
    exif = Image.Exif()
    exif[SOFTWARE], exif[ORIENTATION], exif[256], exif[700] = "Editor", 6, 9999, b"old"
    exif.get_ifd(EXIF_IFD)[EXPOSURE] = 0.01
    write_image(tmp_path / f"a{suffix}", draw(), MARK, exif=exif)
    back = Image.open(tmp_path / f"a{suffix}").getexif()
    assert (back[SOFTWARE], back[ORIENTATION], back.get_ifd(EXIF_IFD)[EXPOSURE]) == ("Editor", 6, 0.01)
    assert back.get(256) != 9999
    assert exif[256] == 9999  # the caller's own is left alone
    assert read_mark(tmp_path / f"a{suffix}") == MARK


@pytest.mark.parametrize("exif", [b"", b"Exif\0\0", b"nonsense", b"Exif\0\0II*\0\xff\xff\xff\xff", make_exif()[:30]])
def test_broken_exif_does_not_stop_the_picture(tmp_path, exif):
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        write_image(tmp_path / f"a{suffix}", draw(), MARK, exif=exif)
        assert read_mark(tmp_path / f"a{suffix}") == MARK


@pytest.mark.parametrize("suffix", [".png", ".jpg", ".webp", ".tif"])
def test_resolution_and_profile_are_kept(tmp_path, suffix):
    profile = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
    write_image(tmp_path / f"a{suffix}", draw(), MARK, exif=make_exif(), icc_profile=profile, dpi=(300, 150))
    picture = Image.open(tmp_path / f"a{suffix}")
    assert picture.info["icc_profile"] == profile
    found = picture.info.get("dpi") or (picture.getexif()[282], picture.getexif()[283])
    assert found == pytest.approx((300, 150), abs=0.02)
    assert read_mark(tmp_path / f"a{suffix}") == MARK


@pytest.mark.parametrize("dpi", [0, -1, float("nan"), float("inf"), 1e9, (300, 0), (0.0001, 0.0001)])
def test_impossible_resolutions_are_left_out(tmp_path, dpi):
    for suffix in (".png", ".jpg", ".webp", ".tif"):
        write_image(tmp_path / f"a{suffix}", draw(), MARK, dpi=dpi)
        assert read_mark(tmp_path / f"a{suffix}") == MARK


@pytest.mark.parametrize(
    ("name", "image", "options", "words"),
    [
        ("a.bmp", draw(), {}, "no known picture suffix"),
        ("a", draw(), {}, "no known picture suffix"),
        ("a.jpg", draw(channels=4), {}, "JPEG cannot hold transparency"),
        ("a.png", draw().astype(float), {}, "must be an array of uint8, not float64"),
        ("a.png", draw(channels=2), {}, "a picture is"),
        ("a.png", draw(channels=1), {}, "a picture is"),
        ("a.png", draw()[:0], {}, "a picture is"),
        ("a.png", draw()[None], {}, "a picture is"),
        ("a.png", [[0]], {}, "must be an array of uint8, not list"),
        ("a.jpg", draw(), {"quality": 0}, "quality must be from 1 to 100"),
        ("a.jpg", draw(), {"quality": 101}, "quality must be from 1 to 100"),
        ("a.jpg", np.zeros((1, 70_000), np.uint8), {}, "a.jpg cannot be written"),
        ("a.webp", np.zeros((1, 20_000), np.uint8), {}, "a.webp cannot be written as WEBP"),
    ],
)
def test_what_cannot_be_written_is_said(tmp_path, name, image, options, words):
    with pytest.raises((ValueError, OSError), match=words) as caught:
        write_image(tmp_path / name, image, MARK, **options)
    assert "\n" not in str(caught.value)
    assert list(tmp_path.iterdir()) == []


def test_settings_too_long_for_a_jpeg(tmp_path):
    mark = Mark(GENERATED, {"text": "x" * 66_000})
    with pytest.raises(ValueError, match="settings are too long for a JPEG"):
        write_image(tmp_path / "a.jpg", draw(), mark)
    assert list(tmp_path.iterdir()) == []
    for suffix in (".png", ".webp", ".tif"):
        write_image(tmp_path / f"a{suffix}", draw(), mark)
        assert read_mark(tmp_path / f"a{suffix}") == mark
    longest = Mark(GENERATED, {"text": "x" * (65504 - len(to_xmp(Mark(GENERATED, {"text": ""}))))})
    write_image(tmp_path / "a.jpg", draw(), longest)
    assert read_mark(tmp_path / "a.jpg") == longest


def test_exif_too_long_for_a_jpeg(tmp_path):
    exif = Image.Exif()
    exif[SOFTWARE] = "x" * 70_000
    with pytest.raises(ValueError, match="EXIF is too long for a JPEG"):
        write_image(tmp_path / "a.jpg", draw(), MARK, exif=exif)
    assert list(tmp_path.iterdir()) == []


def test_folder_is_made(tmp_path):
    path = tmp_path / "new" / "이름 with space" / "a.png"
    write_image(str(path), draw(), MARK)
    assert [path.name for path in path.parent.iterdir()] == ["a.png"]
    assert path.stat().st_mode & 0o777 == 0o666 & ~current_umask()


def current_umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask


def test_old_file_keeps_its_rights(tmp_path):
    path = tmp_path / "a.png"
    path.write_bytes(b"old")
    path.chmod(0o640)
    write_image(path, draw(), MARK)
    assert path.stat().st_mode & 0o777 == 0o640


def test_links_are_followed(tmp_path):
    write_image(tmp_path / "real.png", draw(), Mark(GENERATED, {"n": 1}))
    (tmp_path / "link.png").symlink_to("real.png")
    write_image(tmp_path / "link.png", draw(), MARK)
    assert (tmp_path / "link.png").is_symlink()
    assert read_mark(tmp_path / "real.png") == MARK


def test_places_that_cannot_be_written(tmp_path):
    (tmp_path / "file").write_text("x")
    with pytest.raises(OSError, match=r"a.png cannot be written: "):
        write_image(tmp_path / "file" / "a.png", draw(), MARK)
    (tmp_path / "folder.png").mkdir()
    with pytest.raises(OSError, match="folder.png is a folder"):
        write_image(tmp_path / "folder.png", draw(), MARK)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["file", "folder.png"]


@pytest.mark.parametrize("step", ["save", "fsync", "replace"])
@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_failure_leaves_the_old_file_and_no_litter(tmp_path, monkeypatch, step, error):
    path = tmp_path / "a.png"
    write_image(path, draw(), Mark(GENERATED, {"old": True}))
    before = path.read_bytes()

    def break_off(*arguments, **_):
        if step == "save":
            arguments[1].write(b"half a picture")
        raise error

    owner = Image.Image if step == "save" else os
    monkeypatch.setattr(owner, step, break_off)
    with pytest.raises((OSError, KeyboardInterrupt)) as caught:
        write_image(path, draw(8, 8), MARK)
    monkeypatch.undo()
    if isinstance(error, OSError):
        assert str(caught.value) == f"{path} cannot be written: No space left on device"
    assert path.read_bytes() == before
    assert [path.name for path in tmp_path.iterdir()] == ["a.png"]

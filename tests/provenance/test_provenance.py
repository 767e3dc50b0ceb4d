"""Marks survive every format, are found by independent means, and neither disk nor strangers' files do harm."""

import io
import json
import os
import re
import struct
import subprocess
import sys
import tempfile
import zlib
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image, ImageCms

import provenance.files
from provenance import (
    COMPOSITE,
    GENERATED,
    VERSION,
    Mark,
    copy_marked,
    from_xmp,
    leftovers,
    read_mark,
    remove_leftovers,
    to_xmp,
    write_image,
)

ROOT = Path(__file__).resolve().parents[2]
SUFFIXES = [".png", ".jpg", ".jpeg", ".webp", ".tif", ".tiff", ".JPG"]
LOSSLESS = [".png", ".tif"]
URI = "http://cv.iptc.org/newscodes/digitalsourcetype/"
MAKE, SOFTWARE, ORIENTATION, EXIF_IFD, EXPOSURE = 271, 305, 274, 34665, 33434
MARK = Mark(
    GENERATED,
    {
        "checkpoint": "0f" * 32,
        "seed": 7,
        "psi": 0.7,
        "얼굴": "이 사람은 없습니다 😀",
        "quotes": '"double" \'single\' <tag attr="1"> & &amp; ]]> -->',
        "control": "\x00\x1f\x7f\x85\n\r\t\ud800\ufffe\u2028",
        "nested": {"list": [1, 2.5, None, True, {"deep": []}], "empty": {}},
    },
)


def draw(height: int = 40, width: int = 56, channels: int | None = 3) -> np.ndarray:
    """Return a random picture."""
    shape = (height, width) if channels is None else (height, width, channels)
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)


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


def property_texts(packet: bytes) -> dict[str, str]:
    """Return text by local name, read with nothing of ours."""
    root = ElementTree.fromstring(packet.decode("utf-8").strip("\ufeff"))
    return {element.tag.rpartition("}")[2]: element.text for element in root.iter()}


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


def test_packet_states_what_other_programs_read():
    texts = property_texts(to_xmp(Mark(COMPOSITE, {"seed": 1})))
    assert texts["DigitalSourceType"] == "http://cv.iptc.org/newscodes/digitalsourcetype/" + COMPOSITE
    assert texts["CreatorTool"] == f"Random Unreal Face {VERSION}"
    assert json.loads(texts["Settings"]) == {"seed": 1}
    packet = to_xmp(MARK).decode("utf-8")
    assert packet.startswith('<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>')
    assert packet.endswith('<?xpacket end="w"?>')
    assert "이 사람은 없습니다" in packet  # readable without this project


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


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(st.text(), json_values, max_size=5))
@settings(max_examples=200, deadline=None)
def test_any_settings_come_back(values):
    mark = Mark(GENERATED, values)
    assert from_xmp(to_xmp(mark)) == mark
    assert mark.settings == values


@given(st.binary(max_size=300) | st.text(max_size=300))
@settings(max_examples=300, deadline=None)
def test_noise_is_no_mark(packet):
    assert from_xmp(packet) is None


@given(st.data())
@settings(max_examples=200, deadline=None)
def test_damaged_packets_never_crash(data):
    packet = bytearray(to_xmp(MARK))
    for _ in range(data.draw(st.integers(1, 4))):
        packet[data.draw(st.integers(0, len(packet) - 1))] = data.draw(st.integers(0, 255))
    from_xmp(bytes(packet))
    assert from_xmp(bytes(to_xmp(MARK))[: data.draw(st.integers(0, len(to_xmp(MARK)) - 40))]) is None


LAUGHS = "".join(f'<!ENTITY l{i} "{f"&l{i - 1};" * 10}">' for i in range(1, 12))
HOSTILE = {
    "billion laughs": f'<!DOCTYPE x [<!ENTITY l0 "ha">{LAUGHS}]><x>&l11;</x>',
    "outside entity": '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]><x>&e;</x>',
    "unknown entity": "<x>&nothing;</x>",
    "deep": "<x>" * 100_000,
    "deep and closed": "<x>" * 100_000 + "</x>" * 100_000,
    "another encoding": '<?xml version="1.0" encoding="utf-16"?><x/>',
    "empty": "",
    "another program's": '<x:xmpmeta xmlns:x="adobe:ns:meta/"/>',
    "no settings": to_xmp(MARK).decode().replace("ruf:Settings", "ruf:Other"),
    "no type": to_xmp(MARK).decode().replace("DigitalSourceType>", "DigitalOther>"),
    "another vocabulary": to_xmp(MARK).decode().replace("cv.iptc.org", "example.org"),
    "odd type": to_xmp(MARK).decode().replace(GENERATED, "../x y"),
    "settings no dict": re.sub("<ruf:Settings>.*</", "<ruf:Settings>[1]</", to_xmp(MARK).decode()),
    "settings no JSON": re.sub("<ruf:Settings>.*</", "<ruf:Settings>{1</", to_xmp(MARK).decode()),
    "settings not finite": re.sub("<ruf:Settings>.*</", '<ruf:Settings>{"a": NaN}</', to_xmp(MARK).decode()),
    "settings deep": re.sub("<ruf:Settings>.*</", f"<ruf:Settings>{'[' * 100_000}</", to_xmp(MARK).decode()),
    "settings large": re.sub("<ruf:Settings>.*</", f'<ruf:Settings>{{"a": {"9" * 9999}}}</', to_xmp(MARK).decode()),
    "too long": " " * (17 * 2**20),
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_packets_of_strangers_are_no_mark(tmp_path, kind):
    assert from_xmp(HOSTILE[kind]) is None
    assert from_xmp(HOSTILE[kind].encode()) is None
    if len(HOSTILE[kind]) < 60_000:
        Image.fromarray(draw()).save(tmp_path / "a.jpg", xmp=HOSTILE[kind].encode())
        assert read_mark(tmp_path / "a.jpg") is None


def test_mark_is_found_in_other_spellings():
    value = re.search("<ruf:Settings>(.*)</", to_xmp(MARK).decode()).group(1).replace('"', "&quot;")
    as_attributes = f"""\x00\ufeff<x:xmpmeta xmlns:x="adobe:ns:meta/"><r:RDF xmlns:r="{provenance.xmp.RDF}">
      <r:Description r:about="" xmlns:a="{provenance.xmp.IPTC_EXT}" a:DigitalSourceType="{URI}{GENERATED}"/>
      <r:Description xmlns:b="{provenance.xmp.OURS}" b:Settings="{value}"/></r:RDF></x:xmpmeta>\n\x00"""
    assert from_xmp(as_attributes) == MARK
    resource = to_xmp(MARK).decode()
    resource = re.sub("DigitalSourceType>.*</.*>", f'DigitalSourceType rdf:resource="{URI}{GENERATED}"/>', resource)
    assert from_xmp(resource) == MARK


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


def test_settings_too_long_for_anything():
    with pytest.raises(ValueError, match="too long to be put into a picture"):
        to_xmp(Mark(GENERATED, {"text": "x" * 2**24}))


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


KILLED = """
import os, signal, sys
from provenance import whole_file

with whole_file(sys.argv[1]) as file:
    file.write(b"half a picture")
    file.flush()
    if len(sys.argv) > 2:
        print("writing", flush=True)
        sys.stdin.read()
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="there a dead process cannot be told from a living one")
def test_only_what_dead_processes_left_is_removed(tmp_path, monkeypatch):
    command = [sys.executable, "-c", KILLED, str(tmp_path / "a.png")]
    subprocess.run(command, cwd=ROOT, check=False)
    (left,) = tmp_path.iterdir()
    left.with_name(f"{left.name}.mp4").touch()  # a video of the same process
    writer = subprocess.Popen([*command, "stay"], cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    assert writer.stdout.readline() == b"writing\n"
    (written,) = set(tmp_path.iterdir()) - {left, left.with_name(f"{left.name}.mp4")}
    other = left.with_name(left.name.replace(left.name.split("-")[1], "0" * 8))  # of another machine
    others = [other, tmp_path / ".tmp", tmp_path / f".mine.{left.name.split('-')[2]}.tmp", tmp_path / ".ruf-notes.tmp"]
    for path in others:
        path.touch()
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == {written, *others}
    writer.communicate(b"")
    remove_leftovers(tmp_path)
    assert set(tmp_path.iterdir()) == set(others)
    remove_leftovers(tmp_path / "no such folder")


@pytest.mark.skipif(os.name == "nt", reason="there a dead process cannot be told from a living one")
def test_a_leftover_that_may_not_be_removed_stays_and_the_others_go(tmp_path, monkeypatch):
    monkeypatch.setattr(leftovers, "_is_running", lambda pid: False)
    theirs, *ours = (leftovers.temporary_beside(tmp_path / "a.png") for _ in range(3))
    for path in (theirs, *ours):
        path.touch()
    unlink = Path.unlink

    def refuse(path, **named):
        if path == theirs:
            raise PermissionError(1, "Operation not permitted", str(path))
        unlink(path, **named)

    monkeypatch.setattr(Path, "unlink", refuse)
    remove_leftovers(tmp_path)
    assert list(tmp_path.iterdir()) == [theirs]


FOLDER_OF_A_KILLED = """
import os, signal
from provenance.leftovers import temporary_folder
folder = temporary_folder()
open(os.path.join(folder.name, "upload.png"), "w").close()
os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.skipif(os.name == "nt", reason="there a dead process cannot be told from a living one")
def test_the_folder_of_a_killed_process_is_removed_by_the_next_and_no_other_is(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    environment = os.environ | {"TMPDIR": str(tmp_path)}
    subprocess.run([sys.executable, "-c", FOLDER_OF_A_KILLED], cwd=ROOT, env=environment, check=False)
    (left,) = tmp_path.iterdir()
    assert list(left.iterdir())
    elsewhere = left.with_name(left.name.replace(left.name.split("-")[3], "0" * 8))
    others = [elsewhere, tmp_path / "random-unreal-face-notes"]
    for path in others:
        path.mkdir()
    with leftovers.temporary_folder() as first, leftovers.temporary_folder() as second:
        assert set(tmp_path.iterdir()) == {Path(first), Path(second), *others}
    assert set(tmp_path.iterdir()) == set(others)


def test_containers_of_one_name_leave_each_other_s_files(tmp_path, monkeypatch):
    """Each numbers its processes anew: the writer in the other one looks dead here."""
    monkeypatch.setattr(leftovers, "_is_running", lambda pid: False)
    number, boot = tmp_path / "pid", tmp_path / "boot"
    number.touch()
    boot.write_text("1")
    monkeypatch.setattr(leftovers, "NAMESPACE", number)
    monkeypatch.setattr(leftovers, "BOOT", boot)
    written = leftovers.temporary_beside(tmp_path / "a.png")
    written.touch()
    inside = number.stat().st_ino
    number.rename(tmp_path / "other")
    number.touch()
    assert number.stat().st_ino != inside
    remove_leftovers(tmp_path)
    assert written.exists()
    (tmp_path / "other").replace(number)
    boot.write_text("2")
    remove_leftovers(tmp_path)
    assert written.exists()
    boot.write_text("1")
    remove_leftovers(tmp_path)
    assert not written.exists()


@pytest.mark.parametrize("value", [{"a": float("nan")}, {"a": object()}, {"a": {1, 2}}, ["a"], None])
def test_settings_must_be_json(value):
    with pytest.raises(ValueError, match="settings"):
        Mark(GENERATED, value)


@pytest.mark.parametrize("source_type", ["", "a b", "x/../y", "<x>", None, 3])
def test_source_type_must_be_a_term(source_type):
    with pytest.raises(ValueError, match="vocabulary"):
        Mark(source_type, {})


def test_marks_hold_what_json_gives_back():
    inner = {"list": [1]}
    mark = Mark(GENERATED, {"tuple": (1, 2), "inner": inner, 3: "number"})
    inner["list"].append(2)
    assert mark.settings == {"tuple": [1, 2], "inner": {"list": [1]}, "3": "number"}


def test_version_is_the_project_s():
    text = (Path(__file__).parents[2] / "pyproject.toml").read_text(encoding="utf-8")
    assert f'\nversion = "{VERSION}"\n' in text


def gif_of(**options):
    """Three pictures in a GIF as Pillow writes it."""
    pictures = [Image.fromarray(np.full((8, 9, 3), 80 * n, np.uint8)) for n in range(3)]
    file = io.BytesIO()
    pictures[0].save(file, "GIF", save_all=True, append_images=pictures[1:], duration=50, **options)
    return file.getvalue()


@pytest.mark.parametrize("options", [{}, {"loop": 0}, {"loop": 3, "comment": b"by me"}])
def test_a_gif_keeps_its_pictures_and_gains_its_mark(tmp_path, options):
    plain, marked = gif_of(**options), io.BytesIO()
    copy_marked(io.BytesIO(plain), marked, MARK)
    (tmp_path / "a.gif").write_bytes(marked.getvalue())
    (tmp_path / "plain.gif").write_bytes(plain)
    assert read_mark(tmp_path / "a.gif") == MARK and read_mark(tmp_path / "plain.gif") is None
    with Image.open(tmp_path / "a.gif") as one, Image.open(io.BytesIO(plain)) as other:
        assert one.n_frames == other.n_frames == 3
        assert one.info.get("loop") == other.info.get("loop")
        for number in range(3):
            one.seek(number), other.seek(number)
            np.testing.assert_array_equal(np.asarray(one.convert("RGB")), np.asarray(other.convert("RGB")))


def test_what_is_no_gif_gets_no_mark(tmp_path):
    with pytest.raises(ValueError, match="no GIF"):
        copy_marked(io.BytesIO(b"\x89PNG\r\n\x1a\n" + bytes(50)), io.BytesIO(), MARK)


@given(st.integers(0, 2000), st.binary(max_size=40))
def test_a_damaged_gif_has_a_mark_or_none_or_one_sentence(tmp_path_factory, start, noise):
    marked = io.BytesIO()
    copy_marked(io.BytesIO(gif_of(loop=0)), marked, MARK)
    content = marked.getvalue()
    path = tmp_path_factory.getbasetemp() / "damaged.gif"
    path.write_bytes(content[:start] + noise + content[start + len(noise) :])
    try:
        assert read_mark(path) is None or isinstance(read_mark(path), Mark)
    except ValueError as error:
        assert "not a readable picture" in str(error)

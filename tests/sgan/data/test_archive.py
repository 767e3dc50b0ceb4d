"""Folders and zips of pictures, harmless and hostile."""

import os
import zipfile

import numpy as np
import pytest

from sgan.data.archive import DataError
from sgan.data.dataset import list_images, open_dataset
from sgan.data.pictures import decode_image


def test_bad_folders_are_named(tmp_path):
    with pytest.raises(DataError, match="nowhere"):
        list_images(tmp_path / "nowhere")
    (tmp_path / "notes.txt").write_text("no image")
    with pytest.raises(DataError, match="has no image"):
        list_images(tmp_path)


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

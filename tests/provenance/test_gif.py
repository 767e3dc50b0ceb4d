"""A GIF and its mark."""

import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from marks import MARK
from PIL import Image

from provenance import Mark, copy_marked, read_mark


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

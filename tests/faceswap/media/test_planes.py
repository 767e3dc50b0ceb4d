"""Facts about frames whose planes are kept: what has not changed is the decoded one bit for bit."""

import av
import numpy as np
import pytest
from drawn_film import SIZE, make_video, textured

from faceswap.find.tracking import Track
from faceswap.jobs.film import swap_video
from faceswap.media.planes import CELL, ROOM, Decoded, changed_cells, split, with_changes
from faceswap.media.video import upright


class Everywhere:
    """Follows one face that is never looked at."""

    def update(self, image, seconds):
        return [Track(0, np.zeros((468, 3), np.float32), np.zeros((468, 3), np.float32), np.zeros((12, 12, 3)))]


def planes_of(path):
    with av.open(str(path)) as source:
        return [frame.to_ndarray() for frame in source.decode(video=0)]


def decoded(image):
    frame = av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")
    return Decoded(frame, upright(frame))


def convert(image):
    return av.VideoFrame.from_ndarray(image, format="rgb24").reformat(format="yuv420p")


def test_a_film_that_is_not_changed_keeps_its_planes_bit_for_bit(tmp_path):
    make_video(tmp_path / "in.mp4", [textured(seed=n) for n in range(4)], sound=False)
    files = tmp_path / "in.mp4", tmp_path / "out.mp4"
    list(swap_video(*files, Everywhere(), lambda image, tracks: image, {}, crf=0))  # H.264's 0 loses nothing
    before, after = (planes_of(path) for path in files)
    assert len(before) == len(after) == 4 and all(np.array_equal(a, b) for a, b in zip(before, after))


def test_a_film_is_new_only_around_its_change(tmp_path):
    make_video(tmp_path / "in.mp4", [textured(seed=n) for n in range(4)], sound=False)
    files = tmp_path / "in.mp4", tmp_path / "out.mp4"

    def swap(image, tracks):
        image = image.copy()
        image[50:56, 70:80] = (200, 30, 60)
        return image

    list(swap_video(*files, Everywhere(), swap, {}, crf=0))
    for before, after in zip(*(planes_of(path) for path in files), strict=True):
        for old, new, step in zip(split(before), split(after), (1, 2, 2)):
            inside = np.zeros(old.shape, bool)
            inside[32 // step : 64 // step, 32 // step : 96 // step] = True
            assert np.array_equal(old[~inside], new[~inside]) and not np.array_equal(old[inside], new[inside])
        red = av.VideoFrame.from_ndarray(after, format="yuv420p").to_ndarray(format="rgb24")[52:54, 74:76]
        assert np.abs(red.astype(int) - (200, 30, 60)).max() <= 4


@pytest.mark.parametrize("size", [(120, 160), (64, 96), (48, 50), (34, 38)])
def test_changed_planes_are_those_of_the_whole_picture(size):
    before = decoded(np.ascontiguousarray(textured((160, 160))[: size[0], : size[1]]))
    image = before.image.copy()
    image[10:20, 12:30] = 255 - image[10:20, 12:30]
    x0, y0, x1, y1 = changed_cells(before.image, image)
    assert x0 == y0 == 0 and 20 + ROOM <= y1 <= size[0] and 30 + ROOM <= x1 <= size[1]
    assert y1 in (CELL, size[0]) and x1 in (2 * CELL, size[1])
    wanted, found = (split(p) for p in (convert(image).to_ndarray(), with_changes(before, image, convert)))
    for new, old, step in zip(found, wanted, (1, 2, 2)):
        changed = np.s_[10 // step : 20 // step, 12 // step : 30 // step]
        assert np.array_equal(new[changed], old[changed])


def test_pictures_that_are_equal_have_no_changed_cells():
    assert changed_cells(textured(), textured()) is None


@pytest.mark.parametrize("other", [{"format": "yuv444p"}, {"dst_color_range": 2}, {"width": 80}, {"dst_colorspace": 1}])
def test_other_frames_than_the_encoders_do_not_suit_it(other):
    encoder = av.codec.CodecContext.create("libx264", "w")
    encoder.height, encoder.width, encoder.pix_fmt = *SIZE, "yuv420p"
    frame = convert(textured())
    assert Decoded(frame, upright(frame)).suits(encoder)
    frame = frame.reformat(**{"format": "yuv420p"} | other)
    assert not Decoded(frame, upright(frame)).suits(encoder)

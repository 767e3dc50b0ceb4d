"""Facts about squares cut out of photos."""

import os
from pathlib import Path

import cv2
import numpy as np
import pytest
from commands import left_by_a_dead_process
from drawn_face import PHOTO, POINTS, FakeLandmarker, draw_face, place_mesh
from PIL import Image

from faceswap.jobs import align
from faceswap.media import images
from faceswap.shape.regions import LEFT_EYE, RIGHT_EYE


@pytest.mark.parametrize("size", [64, 256, 512])
def test_aligned_eyes_are_level_centred_and_at_ffhqs_height(size):
    cut = align.align_face(PHOTO, POINTS, size)
    assert cut.shape == (size, size, 3)
    corners = align.ffhq_square(POINTS)
    into = cv2.getAffineTransform(corners[[0, 3, 1]].astype(np.float32), np.float32([[0, 0], [size, 0], [0, size]]))
    eyes = [POINTS[list(ring), :2].mean(0) for ring in (RIGHT_EYE, LEFT_EYE)]
    right, left = ([*eye, 1] @ into.T for eye in eyes)
    assert abs(right[1] - left[1]) < 0.02 * size
    assert (right[0] + left[0]) / 2 == pytest.approx(size / 2, abs=0.03 * size)
    for x, y in (right, left):
        assert cut[int(y), int(x)].max() < 110  # the drawn pupil lies there


def test_alignment_of_an_upright_square_is_a_plain_cut():
    image = np.random.default_rng(0).integers(0, 255, (200, 200, 3)).astype(np.uint8)
    points = place_mesh((100, 95), 30)
    corners = align.ffhq_square(points)
    side = np.linalg.norm(corners[3] - corners[0])
    points[:, :2] = (points[:, :2] - corners[0]) * (100 / side) + [49.5, 49.5]  # the square covers pixels 50 to 149
    assert np.abs(align.align_face(image, points, 100).astype(int) - image[50:150, 50:150]).max() <= 3


def test_what_lies_beyond_the_photo_is_mirrored():
    points = place_mesh((30, 30), 30)
    image = draw_face(points, (120, 120))
    cut = align.align_face(image, points, 128)
    assert cut.min() > 0  # no black corners
    with pytest.raises(ValueError, match="outside"):
        align.align_face(image, place_mesh((900, 900), 20), 64)


def test_align_leaves_out_small_faces_and_does_nothing_twice(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "in" / "a.png")
    landmarker = FakeLandmarker(POINTS, place_mesh((40, 40), 6))
    (first,) = align.align_folder(tmp_path / "in", tmp_path / "out", 64, landmarker, smallest=40)
    assert [p.name for p in first.written] == ["a-0.png"] and first.too_small == 1
    landmarker.faces = []
    left = left_by_a_dead_process(tmp_path / "out" / "a-0.png")
    (again,) = align.align_folder(tmp_path / "in", tmp_path / "out", 64, landmarker, smallest=40)
    assert again.written == first.written and not left.exists()


def align_all(folder: Path, out: Path, landmarker, **settings) -> list[align.Aligned]:
    given = {"size": 48} | settings
    return list(align.align_folder(folder, out, landmarker=landmarker, **given))


def test_align_cuts_again_when_a_setting_or_the_photo_changes_and_leaves_no_square_of_before(tmp_path):
    home, out = tmp_path / "in", tmp_path / "out"
    home.mkdir()
    Image.fromarray(PHOTO).save(home / "a.png")
    landmarker = FakeLandmarker(POINTS, place_mesh((40, 40), 6))
    (first,) = align_all(home, out, landmarker)
    assert len(first.written) == 2
    (again,) = align_all(home, out, landmarker, size=64)
    assert again.written == first.written and images.read_image(again.written[1]).shape == (64, 64, 3)
    (again,) = align_all(home, out, landmarker, size=64, smallest=40)
    assert [p.name for p in out.iterdir()] == ["a-0.png"] and again.too_small == 1
    stamp = (out / "a-0.png").stat().st_mtime_ns
    assert align_all(home, out, landmarker, size=64, smallest=40) == [again]
    assert (out / "a-0.png").stat().st_mtime_ns == stamp
    Image.fromarray(255 - PHOTO).save(home / "a.png")
    before = images.read_image(out / "a-0.png")
    align_all(home, out, landmarker, size=64, smallest=40)
    assert (images.read_image(out / "a-0.png") != before).any()
    align_all(home, out, landmarker, smallest=10**6)
    assert not list(out.iterdir())


@pytest.mark.parametrize("name", ["a[1].png", "a*b.png", "wh?t.png", "[!x].png"])
@pytest.mark.skipif(os.name == "nt", reason="there such names cannot be")
def test_align_takes_names_that_are_patterns_and_knows_them_again(tmp_path, name):
    home, out = tmp_path / "in", tmp_path / "out"
    home.mkdir()
    for photo in (name, "a1.png", "ab.png", "what.png", "y.png"):
        Image.fromarray(PHOTO).save(home / photo)
    first = align_all(home, out, FakeLandmarker(POINTS))
    assert len({path for done in first for path in done.written}) == 5
    landmarker = FakeLandmarker()  # would find none
    assert align_all(home, out, landmarker) == first


def test_align_knows_more_than_ten_faces_again(tmp_path):
    (tmp_path / "in").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "in" / "a.png")
    landmarker = FakeLandmarker(*[POINTS] * 12)
    (first,) = align_all(tmp_path / "in", tmp_path / "out", landmarker)
    assert len(first.written) == 12 and align_all(tmp_path / "in", tmp_path / "out", landmarker) == [first]


def test_squares_are_no_photos_of_the_next_run(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "a.png")
    (first,) = align_all(tmp_path, tmp_path / "out", FakeLandmarker(POINTS))
    assert align_all(tmp_path, tmp_path / "out", FakeLandmarker(POINTS)) == [first]

"""Facts about colour correction, skin and grain."""

import numpy as np
import pytest
from drawn_face import draw_face, place_mesh
from hypothesis import given, settings
from hypothesis import strategies as st

from faceswap.shape.regions import LEFT_EYE
from faceswap.tone import colour, grain, skin

POINTS = place_mesh(eyes_apart=80)


def corrected(source, target):
    a, b = skin.to_lab(source), skin.to_lab(target)
    weight = skin.skin_likeness(a, POINTS) * skin.skin_likeness(b, POINTS)
    return colour.correct_colour(a, b, weight, POINTS), weight


def test_equal_skin_is_not_recoloured():
    image = draw_face(POINTS)
    found, _ = corrected(image, image)
    np.testing.assert_allclose(found, skin.to_lab(image), atol=0.05)


@pytest.mark.parametrize("wanted", [(90, 60, 45), (235, 205, 190), (200, 150, 120)])
def test_skin_takes_on_the_targets_tone(wanted):
    source, target = draw_face(POINTS), draw_face(POINTS, skin=wanted)
    found, _ = corrected(source, target)
    cheek = skin.skin_patches(POINTS, source.shape[:2])
    difference = np.linalg.norm(found[cheek].mean(0) - skin.to_lab(target)[cheek].mean(0))
    assert difference < 1.0


def test_pupils_stay_dark_and_the_white_of_the_eye_does_not_burn_or_turn_blue():
    source, target = draw_face(POINTS, skin=(120, 80, 60)), draw_face(POINTS, skin=(220, 185, 165))
    found, _ = corrected(source, target)
    x, y = POINTS[list(LEFT_EYE), :2].mean(0).round().astype(int)
    assert found[y, x, 0] < 2.2 * skin.to_lab(source)[y, x, 0]
    white = found[y, x + 9]
    assert white[0] < 99.5 and np.abs(white[1:]).max() < 12


@settings(max_examples=50, deadline=None)
@given(middle=st.floats(10, 90), wanted=st.floats(10, 90))
def test_the_tone_curve_rises_and_keeps_black_and_white(middle, wanted):
    light = np.linspace(0, 100, 201, dtype=np.float32)
    found = colour.tone_curve(light, np.full(201, middle, np.float32), np.full(201, wanted, np.float32))
    assert (np.diff(found) >= -1e-4).all()
    assert found[0] == pytest.approx(0, abs=0.01) and found[-1] == pytest.approx(100, abs=0.01)
    at = colour.tone_curve(np.float32([middle]), np.float32([middle]), np.float32([wanted]))
    assert at[0] == pytest.approx(wanted, abs=0.01)


def test_grey_is_seen_and_colour_is_taken_out():
    grey = np.repeat(np.arange(0, 250, 10, dtype=np.uint8)[None, :, None], 3, 2)
    assert colour.is_grey(grey) and not colour.is_grey(draw_face(POINTS))
    np.testing.assert_allclose(colour.without_colour(grey), grey, atol=1e-3)


def test_without_any_skin_in_common_nothing_is_corrected():
    lab = skin.to_lab(draw_face(POINTS))
    assert colour.correct_colour(lab, lab + 5, np.zeros(lab.shape[:2], np.float32), POINTS) is lab


def test_lab_goes_there_and_back():
    image = draw_face(POINTS)
    np.testing.assert_allclose(skin.to_rgb(skin.to_lab(image)), image, atol=0.6)


def test_skin_is_skin_and_eyes_and_background_are_not():
    image = draw_face(POINTS, skin=(150, 110, 90))
    likeness = skin.skin_likeness(skin.to_lab(image), POINTS)
    assert likeness[skin.skin_patches(POINTS, image.shape[:2])].mean() > 0.95
    x, y = POINTS[list(LEFT_EYE), :2].mean(0).round().astype(int)
    assert likeness[y, x] < 0.1 and likeness[2, 2] < 0.1


def test_light_from_the_side_does_not_make_skin_foreign():
    image = draw_face(POINTS)
    slope = np.linspace(1.15, 0.6, image.shape[1])[None, :, None]
    image = np.clip(image * slope, 0, 255).astype(np.uint8)
    likeness = skin.skin_likeness(skin.to_lab(image), POINTS)
    assert likeness[skin.skin_patches(POINTS, image.shape[:2])].mean() > 0.9


def grains(image, where):
    luma = image.astype(np.float32) @ np.float32([0.299, 0.587, 0.114])
    return grain._spread(grain.detail_bands(luma)[0].ravel()[np.flatnonzero(where)])


@pytest.mark.parametrize(("own", "wanted"), [(0.0, 6.0), (2.0, 8.0), (9.0, 3.0)])
def test_grain_becomes_the_targets(own, wanted):
    face, target = draw_face(POINTS, grain=own), draw_face(POINTS, grain=wanted, seed=1)
    where = skin.skin_patches(POINTS, face.shape[:2])
    found = grain.match_grain(face.astype(np.float32), target, where)
    assert abs(np.log2(grains(found, where) / grains(target, where))) < 0.15


def test_equal_grain_is_left_alone_and_strength_zero_does_nothing():
    face = draw_face(POINTS, grain=5).astype(np.float32)
    where = skin.skin_patches(POINTS, face.shape[:2])
    np.testing.assert_array_equal(grain.match_grain(face, face.astype(np.uint8), where), face)
    other = draw_face(POINTS, grain=20, seed=2)
    assert grain.match_grain(face, other, where, 0.0) is face


def test_no_feature_of_the_target_comes_through_with_its_grain():
    face = np.full((256, 256, 3), 150, np.float32)
    target = draw_face(POINTS, grain=3)
    where = skin.skin_patches(POINTS, face.shape[:2])
    change = grain.match_grain(face, target, where) - face
    assert np.abs(change).max() < 2.5 * 3 * len(grain.SIGMAS)


def test_detail_bands_add_up():
    luma = np.random.default_rng(0).uniform(0, 255, (40, 50)).astype(np.float32)
    import cv2

    rest = luma - sum(grain.detail_bands(luma))
    blurred = cv2.GaussianBlur(luma, (0, 0), grain.SIGMAS[-1], borderType=cv2.BORDER_REFLECT)
    assert np.abs(rest - blurred)[8:-8, 8:-8].max() < 2.5

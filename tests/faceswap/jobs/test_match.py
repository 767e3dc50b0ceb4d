"""Pose, light and tone of faces drawn with known ones."""

import numpy as np
import pytest
from drawn_face import draw_face, place_mesh
from hypothesis import given, settings
from hypothesis import strategies as st

from faceswap.jobs.match import head_angles, measure_look, misfit

SIZE = (256, 256)


def look(yaw=0.0, roll=0.0, skin=(205, 160, 135), mirrored=False):
    points = place_mesh((128, 128), 60, roll=roll, yaw=yaw)
    return measure_look(draw_face(points, SIZE, skin=skin), points)


@settings(deadline=None, max_examples=25)
@given(yaw=st.floats(-0.7, 0.7), roll=st.floats(-0.5, 0.5), size=st.floats(20, 300))
def test_angles_are_those_the_mean_face_was_turned_by(yaw, roll, size):
    found = head_angles(place_mesh((300, 200), size, roll=roll, yaw=yaw))
    assert np.allclose(found, np.degrees([yaw, 0, roll]), atol=1.0)


def test_same_face_fits_perfectly_and_roll_does_not_matter():
    assert misfit(look(), look()) == 0
    assert misfit(look(yaw=0.2), look(yaw=0.2, roll=0.35)) < 0.6


def test_the_more_a_head_is_turned_away_the_worse_it_fits():
    target = look(yaw=0.3)
    worse = [misfit(target, look(yaw=yaw)) for yaw in (0.3, 0.1, -0.1, -0.3)]
    assert worse == sorted(worse) and worse[-1] > 3


def test_tone_and_light_count():
    assert misfit(look(), look(skin=(120, 85, 65))) > 1
    points = place_mesh((128, 128), 60)
    face = draw_face(points, SIZE).astype(float)
    ramp = np.linspace(0.7, 1.0, SIZE[1])[None, :, None]
    left, right = (measure_look((face * side).astype(np.uint8), points) for side in (ramp[:, ::-1], ramp))
    assert left.light[0] < right.light[0] and misfit(left, right) > 1


def test_a_face_outside_the_picture_has_no_look():
    assert measure_look(np.zeros((60, 60, 3), np.uint8), place_mesh((400, 400), 60)) is None


@pytest.mark.parametrize("side", [48, 64, 128])
def test_small_pictures_are_enough(side):
    points = place_mesh((side / 2, side / 2), side / 4, yaw=0.2)
    assert misfit(measure_look(draw_face(points, (side, side)), points), look(yaw=0.2)) < 0.5

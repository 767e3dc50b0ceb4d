"""Facts about the face that other tests draw."""

import numpy as np
import pytest
from drawn_face import SKIN, draw_face, place_mesh

from faceswap.shape.geometry import bounding_rect
from faceswap.shape.regions import BROW_LINE, LEFT_EYE, RIGHT_EYE


def test_the_drawn_face_has_its_features_on_its_landmarks():
    points = place_mesh()
    image = draw_face(points)
    for ring in (RIGHT_EYE, LEFT_EYE):
        x, y = points[list(ring), :2].mean(0).round().astype(int)
        assert image[y, x].max() < 70  # pupil
    x, y = points[50, :2].round().astype(int)
    assert np.abs(image[y, x] - np.float32(SKIN)).max() < 20


def test_a_turned_head_shows_less_of_its_far_side():
    points = place_mesh(yaw=0.6)
    near, far = (abs(points[side, 0] - points[1, 0]) for side in (454, 234))
    assert max(near, far) > 1.5 * min(near, far)
    assert points[list(BROW_LINE)].shape == (15, 3)


@pytest.mark.parametrize("roll", [0.0, 0.5])
def test_the_drawn_face_stays_inside_its_picture(roll):
    x0, y0, x1, y1 = bounding_rect(place_mesh(roll=roll), 0, (256, 256))
    assert 0 < x0 < x1 < 256 and 0 < y0 < y1 < 256

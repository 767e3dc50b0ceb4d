"""What holds for every mask."""

import cv2
import numpy as np
import pytest
from drawn_face import place_mesh
from seen_faces import FACE, POINTS, look

from faceswap.blend.masks import MASKS
from faceswap.blend.sight import polygon
from faceswap.shape.regions import OVAL

SIZE = FACE.shape[:2]
HAIRY = FACE.copy()
cv2.ellipse(HAIRY, (128, int(POINTS[10, 1])), (90, 50), 0, 0, 360, (40, 30, 25), -1)
each_mask = pytest.mark.parametrize("name", MASKS)


def at(mask, *points):
    return [mask[y, x] for x, y in POINTS[list(points), :2].round().astype(int)]


@each_mask
@pytest.mark.parametrize("source", [FACE, HAIRY], ids=["bare", "hairy"])
def test_it_lies_in_the_oval_and_shows_the_middle_of_the_face(name, source):
    found = MASKS[name].draw(look(source=source))
    assert found.dtype == np.float32 and found.shape == SIZE and found.min() >= 0 and found.max() <= 1
    assert found[polygon(POINTS, OVAL, SIZE) == 0].max() == 0
    assert min(at(found, 1, 33, 263, 13, 50, 280)) > 0.8  # nose, eyes, lips, cheeks


@each_mask
def test_brows_are_shown(name):
    assert min(at(MASKS[name].draw(look()), 105, 334)) > (0.5 if name == "brows" else 0.8)


@each_mask
def test_a_wider_feather_softens_the_edge(name):
    narrow, wide = (MASKS[name].draw(look(feather=feather)) for feather in (0.02, 0.3))
    soft = [((mask > 0.02) & (mask < 0.98)).sum() for mask in (narrow, wide)]
    assert soft[1] > 2 * soft[0] and wide.sum() < narrow.sum()


@each_mask
def test_neither_face_is_written_to_and_it_is_the_same_again(name):
    sight = look(source=HAIRY)
    layers = sight.shown, sight.skin, sight.light, sight.points
    before = [layer.copy() for layer in layers]
    np.testing.assert_array_equal(MASKS[name].draw(sight), MASKS[name].draw(sight))
    for layer, kept in zip(layers, before):
        np.testing.assert_array_equal(layer, kept)


@each_mask
def test_a_face_that_leaves_the_picture_has_one(name):
    found = MASKS[name].draw(look(points=place_mesh((20, 128), 80), source_points=POINTS))
    assert found.shape == SIZE and 0 < found.max() <= 1

"""What holds for every blend."""

import numpy as np
import pytest
from drawn_face import draw_face
from seen_faces import FACE, POINTS, look

from faceswap.blend.blends import BLENDS
from faceswap.blend.masks import MASKS

OTHER = draw_face(POINTS, skin=(150, 105, 80)).astype(np.float32)
SIZE = FACE.shape[:2]
each_blend = pytest.mark.parametrize("name", BLENDS)


def join(name, mask, face=OTHER, target=FACE):
    """Returns what a blend gives, once it is certain that it writes into nothing it is given."""
    before = [array.copy() for array in (face, target, mask)]
    found = BLENDS[name].join(face, target, mask)
    for array, kept in zip((face, target, mask), before):
        np.testing.assert_array_equal(array, kept)
    assert found.dtype == np.uint8 and found.shape == target.shape
    return found


@each_blend
def test_an_empty_mask_returns_the_target(name):
    np.testing.assert_array_equal(join(name, np.zeros(SIZE, np.float32)), FACE)


@each_blend
def test_outside_the_mask_every_bit_stays_and_inside_the_face_is_seen(name):
    mask = MASKS["oval"].draw(look())
    found = join(name, mask)
    np.testing.assert_array_equal(found[mask == 0], FACE[mask == 0])
    assert (found != FACE).any(2)[mask == 1].mean() > 0.5


@each_blend
def test_the_details_of_the_face_are_its_own(name):
    grain = np.random.default_rng(0).normal(0, 12, (*SIZE, 1)).astype(np.float32)
    found = join(name, MASKS["oval"].draw(look()), face=OTHER + grain).astype(np.float32)
    x, y = POINTS[205, :2].round().astype(int)
    cheek = np.s_[y - 12 : y + 12, x - 12 : x + 12]
    seen, own = (values - values.mean() for values in (found[cheek].mean(2), grain[cheek][:, :, 0]))
    assert (seen * own).mean() / (seen.std() * own.std()) > 0.95


@each_blend
def test_a_face_of_the_same_colours_changes_next_to_nothing(name):
    found = join(name, MASKS["oval"].draw(look()), face=FACE.astype(np.float32))
    assert np.abs(found.astype(int) - FACE).max() <= 2


@each_blend
@pytest.mark.parametrize("size", [(1, 1), (3, 40), (40, 3)])
def test_a_face_of_any_size_is_joined(name, size):
    face, target = np.full((*size, 3), 90, np.float32), np.full((*size, 3), 90, np.uint8)
    np.testing.assert_array_equal(join(name, np.ones(size, np.float32), face, target), target)


def test_the_feather_shows_the_face_as_it_is_and_white_where_it_is_brighter():
    assert (join("feather", np.ones(SIZE, np.float32), np.full(FACE.shape, 300, np.float32)) == 255).all()
    np.testing.assert_array_equal(join("feather", np.ones(SIZE, np.float32)), OTHER)

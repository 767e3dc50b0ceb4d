"""Facts about point sets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from faceswap.shape import geometry

POINTS = np.random.default_rng(0).uniform(0, 100, (12, 2))


@settings(max_examples=30, deadline=None)
@given(angle=st.floats(-3.1, 3.1), scale=st.floats(0.05, 20), x=st.floats(-500, 500), y=st.floats(-500, 500))
def test_a_similarity_is_found_again(angle, scale, x, y):
    matrix = np.array(
        [[scale * np.cos(angle), -scale * np.sin(angle), x], [scale * np.sin(angle), scale * np.cos(angle), y]]
    )
    moved = geometry.transform_points(POINTS, matrix)
    np.testing.assert_allclose(
        geometry.fit_similarity(POINTS, moved), matrix, rtol=1e-6, atol=1e-6 * scale + 1e-8 * 500
    )


def test_a_similarity_never_mirrors():
    mirrored = POINTS * [-1, 1]
    assert np.linalg.det(geometry.fit_similarity(POINTS, mirrored)[:, :2]) > 0


def test_a_similarity_of_one_place_is_refused():
    with pytest.raises(ValueError, match="two distinct points"):
        geometry.fit_similarity(np.ones((5, 2)), POINTS[:5])


def test_triangle_affines_send_corners_onto_corners():
    src = np.array([[[0, 0], [4, 0], [0, 4]], [[1, 1], [5, 2], [3, 8]]], float)
    dst = np.array([[[1, 1], [1, 9], [5, 1]], [[0, 0], [2, 0], [0, 2]]], float)
    matrices = geometry.triangle_affines(src, dst)
    for matrix, a, b in zip(matrices, src, dst):
        np.testing.assert_allclose(geometry.transform_points(a, matrix), b, atol=1e-12)


def test_a_flat_triangle_gives_zeros_and_no_warning():
    flat = np.array([[[0, 0], [1, 1], [2, 2]]], float)
    with np.errstate(all="raise"):
        assert not geometry.triangle_affines(flat, flat + 1).any()


def test_scaling_keeps_the_edges_of_the_picture_in_place():
    edges = np.float32([[-0.5, -0.5], [9.5, 19.5]])
    np.testing.assert_allclose(geometry.scale_points(edges, 3), [[-0.5, -0.5], [29.5, 59.5]])
    np.testing.assert_allclose(geometry.scale_points(edges, (2, 0.5)), [[-0.5, -0.5], [19.5, 9.5]])


def test_a_projection_reproduces_weak_perspective():
    solid = np.random.default_rng(1).normal(size=(20, 3))
    rotation = np.linalg.qr(np.random.default_rng(2).normal(size=(3, 3)))[0]
    rotation *= np.linalg.det(rotation)
    seen = 7 * solid @ rotation.T + [3, 4, 0]
    camera = geometry.fit_projection(solid, seen[:, :2])
    np.testing.assert_allclose(solid @ camera[:, :3].T + camera[:, 3], seen, atol=1e-9)


def test_a_rectangle_is_cut_to_the_picture_and_may_be_empty():
    assert geometry.bounding_rect(np.float32([[2.5, 3.5], [7, 8]]), 1, (100, 100)) == (1, 2, 9, 10)
    assert geometry.bounding_rect(np.float32([[-9, -9], [500, 500]]), 0, (10, 20)) == (0, 0, 20, 10)
    x0, y0, x1, y1 = geometry.bounding_rect(np.float32([[50, 50], [60, 60]]), 1, (10, 10))
    assert x1 <= x0 or y1 <= y0


def test_overlap_is_one_for_a_box_inside_and_zero_apart():
    assert geometry.overlap((0, 0, 10, 10), (2, 2, 4, 4)) == 1
    assert geometry.overlap((0, 0, 1, 1), (2, 2, 3, 3)) == 0
    assert geometry.overlap((0, 0, 2, 2), (1, 0, 3, 2)) == pytest.approx(0.5)

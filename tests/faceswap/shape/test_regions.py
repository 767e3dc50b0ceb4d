"""Facts about the tables of landmarks and about lifting one convention to the other."""

import numpy as np
import pytest
from drawn_face import place_mesh

from faceswap.shape import regions
from faceswap.shape.geometry import signed_areas

REGIONS_68 = {
    "jaw": tuple(range(0, 17)),
    "right_brow": tuple(range(17, 22)),
    "left_brow": tuple(range(22, 27)),
    "nose": tuple(range(27, 36)),
    "right_eye": tuple(range(36, 42)),
    "left_eye": tuple(range(42, 48)),
    "lips": tuple(range(48, 60)),
    "mouth": tuple(range(60, 68)),
}
RINGS = {
    "right_eye": regions.RIGHT_EYE,
    "left_eye": regions.LEFT_EYE,
    "right_brow": regions.RIGHT_BROW,
    "left_brow": regions.LEFT_BROW,
    "lips": regions.LIPS,
    "mouth": regions.MOUTH,
    "nose": regions.NOSE,
}


def test_the_mean_face_mirrors_onto_itself():
    mesh = regions.mesh()
    assert (mesh.mirror[mesh.mirror] == np.arange(468)).all()
    np.testing.assert_array_equal(mesh.points * [-1, 1, 1], mesh.points[mesh.mirror])
    triangles = {tuple(sorted(t)) for t in mesh.triangles}
    assert {tuple(sorted(t)) for t in mesh.mirror[mesh.triangles]} == triangles
    assert len(triangles) == 898


def test_the_mesh_is_one_surface_with_the_oval_as_its_edge():
    sides = {}
    for triangle in regions.mesh().triangles.tolist():
        for a, b in zip(triangle, triangle[1:] + triangle[:1]):
            sides.setdefault(frozenset((a, b)), []).append((a, b))
    assert max(map(len, sides.values())) == 2
    assert all(len(set(both)) == 2 for both in sides.values() if len(both) == 2)  # neighbours wind the same way
    edge = {side for side, both in sides.items() if len(both) == 1}
    oval = regions.OVAL
    assert edge == {frozenset(pair) for pair in zip(oval, oval[1:] + oval[:1])}


def test_nearly_all_triangles_of_the_mean_face_look_at_the_camera():
    mesh = regions.mesh()
    assert (signed_areas(mesh.points[mesh.triangles, :2]) > 0).mean() > 0.98


@pytest.mark.parametrize("name", RINGS)
def test_regions_of_both_conventions_agree(name):
    points = place_mesh()
    mine = points[list(RINGS[name]), :2]
    theirs = points[[regions.FROM_68[i] for i in REGIONS_68[name]], :2]
    assert set(regions.FROM_68[i] for i in REGIONS_68[name]) - set(regions.OVAL)
    width = np.ptp(mine[:, 0])
    assert np.abs(mine.mean(0) - theirs.mean(0)).max() < 0.3 * width
    assert (theirs >= mine.min(0) - 0.15 * width).all() and (theirs <= mine.max(0) + 0.15 * width).all()


def test_left_and_right_rings_mirror_each_other():
    mirror = regions.mesh().mirror
    assert set(mirror[list(regions.RIGHT_EYE)]) == set(regions.LEFT_EYE)
    assert set(mirror[list(regions.RIGHT_BROW)]) == set(regions.LEFT_BROW)
    for ring in (regions.OVAL, regions.LIPS, regions.MOUTH, regions.NOSE, regions.BROW_LINE):
        assert set(mirror[list(ring)]) == set(ring)


def test_lifting_68_points_passes_through_them_and_finds_the_rest():
    points = place_mesh(roll=0.3, yaw=0.35, eyes_apart=60)
    lifted = regions.to_mesh(points[list(regions.FROM_68), :2])
    assert lifted.shape == (468, 3) and lifted.dtype == np.float32
    np.testing.assert_allclose(lifted[list(regions.FROM_68), :2], points[list(regions.FROM_68), :2], atol=1e-3)
    assert np.linalg.norm(lifted[:, :2] - points[:, :2], axis=1).max() < 0.5


def test_irises_are_left_out_and_depth_is_filled_in():
    points = place_mesh(yaw=0.4)
    with_irises = np.concatenate([points, np.zeros((10, 3), np.float32)])
    np.testing.assert_array_equal(regions.to_mesh(with_irises), points)
    depth = regions.to_mesh(points[:, :2])[:, 2]
    assert np.corrcoef(depth, points[:, 2])[0, 1] > 0.999


@pytest.mark.parametrize("shape", [(5, 2), (468, 4), (468,), (0, 2), (68, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ValueError, match="landmarks must be"):
        regions.to_mesh(np.zeros(shape))


def test_points_that_are_no_numbers_are_refused():
    points = place_mesh()
    points[3] = np.nan
    with pytest.raises(ValueError, match="finite"):
        regions.to_mesh(points)


def test_the_width_of_a_face_does_not_depend_on_its_roll():
    assert regions.face_width(place_mesh(roll=0.7)) == pytest.approx(regions.face_width(place_mesh()), rel=1e-5)


def test_mirroring_points_twice_changes_nothing():
    points = place_mesh(yaw=0.3, roll=0.2)
    np.testing.assert_allclose(regions.mirror_points(regions.mirror_points(points, 256), 256), points, atol=1e-4)


def test_a_closed_mouth_has_no_opening():
    points = place_mesh()
    points[list(regions.MOUTH), 1] = points[78, 1]
    assert regions.opening(points, regions.MOUTH) < 0.01
    assert 0.1 < regions.opening(place_mesh(), regions.RIGHT_EYE) < 0.5

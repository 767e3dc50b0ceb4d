"""Facts about the maps that carry the source onto the target."""

import cv2
import numpy as np
import pytest
from drawn_face import draw_face, place_mesh
from hypothesis import given, settings
from hypothesis import strategies as st

from faceswap.shape import warp
from faceswap.shape.frame import Frame, cells_around
from faceswap.shape.geometry import scale_points
from faceswap.shape.regions import LEFT_EYE, MOUTH, OVAL, RIGHT_EYE, mesh, mirror_points

SIZE = (256, 256)


def source_map(source_points, target_points, size=SIZE, flat=False):
    source = warp.Source(np.zeros((*size, 3), np.uint8), source_points)
    maps = warp.Maps(source.points, target_points, size)
    return (maps.flat if flat else maps.mesh) + np.float32(source.rect[:2])  # in pixels of the whole source picture


@pytest.mark.parametrize("flat", [False, True])
@pytest.mark.parametrize("yaw", [0.0, 0.5])
def test_a_face_warped_onto_itself_stays_where_it_is(flat, yaw):
    points = place_mesh(yaw=yaw)
    found = source_map(points, points, flat=flat)
    y, x = np.mgrid[: SIZE[0], : SIZE[1]]
    assert np.abs(found - np.stack([x, y], -1)).max() < 1e-2


def test_landmarks_land_on_landmarks():
    source, target = place_mesh(eyes_apart=60, roll=0.2), place_mesh(eyes_apart=80, centre=(120, 120))
    found = source_map(source, target)
    chosen = [*OVAL, *RIGHT_EYE, *LEFT_EYE, *MOUTH]
    x, y = target[chosen, :2].T.astype(np.float32)
    landed = cv2.remap(found, x, y, cv2.INTER_LINEAR)[:, 0]
    assert np.linalg.norm(landed - source[chosen, :2], axis=1).max() < 1.0


@pytest.mark.parametrize("flat", [False, True])
def test_moving_both_pictures_moves_the_map(flat):
    source, target = place_mesh(eyes_apart=40), place_mesh(eyes_apart=50, roll=0.1)
    shift = np.float32([7, -5, 0])
    before, after = source_map(source, target, flat=flat), source_map(source + shift, target + shift, flat=flat)
    moved = np.roll(before, (-5, 7), (0, 1)) + shift[:2]
    inside = np.s_[40:216, 40:216]
    assert np.abs(after[inside] - moved[inside]).max() < 0.05


def test_the_nose_of_a_turned_head_covers_its_cheek():
    points = place_mesh(yaw=0.9, eyes_apart=80)
    number = warp.triangle_map(warp.add_rim(points), SIZE)
    x, y = points[4, :2].round().astype(int)
    seen = warp.rimmed_triangles()[number[y, x]]
    assert points[seen[seen < 468], 2].mean() < points[:, 2].mean()


def test_the_opposite_of_a_place_is_the_same_place_on_the_other_half_of_the_face():
    points = place_mesh(roll=0.3, eyes_apart=80)
    across = np.mgrid[: SIZE[0], : SIZE[1]][1].astype(np.float32)
    down = np.mgrid[: SIZE[0], : SIZE[1]][0].astype(np.float32)
    maps = warp.Maps(points, points, SIZE)
    for corner in (33, 133, 61, 50):
        x, y = points[corner, :2].round().astype(int)
        found = np.float32([maps.opposite(values)[y, x] for values in (across, down)])
        assert np.linalg.norm(found - points[mesh().mirror[corner], :2]) < 12  # a triangle is about that large
    assert maps.opposite(across)[0, 0] == 0


def test_triangles_seen_edge_on_throw_no_pixel_far_away():
    flat = place_mesh()
    flat[:, 0] = 128 + 1e-3 * (flat[:, 0] - 128)
    found = source_map(place_mesh(eyes_apart=50), flat)
    assert np.isfinite(found).all() and np.abs(found).max() < 2000


def test_small_copies_leave_out_no_pixel():
    stripes = np.zeros((256, 256, 3), np.uint8)
    stripes[:, ::2] = 255  # one pixel white, one black: any aliasing shows as stripes
    source = warp.Source(stripes, place_mesh(eyes_apart=100))
    y, x = np.mgrid[:40, :40].astype(np.float32)
    seen = warp.sample(source, np.stack([x, y], -1) * 5.3 + 10, Frame((0, 0, 40, 40), 1), 5.3)
    assert np.abs(seen.astype(int) - 127).max() < 25


def test_enlarging_twice_keeps_flat_areas_and_overshoots_no_neighbour():
    image = np.full((20, 20, 3), 90, np.uint8)
    image[:, 10:] = 160
    large = warp.enlarge_twice(image)
    assert large.shape == (40, 40, 3)
    assert large.min() == 90 and large.max() == 160
    assert (large[:, :12] == 90).all() and (large[:, -12:] == 160).all()


def test_a_small_source_is_sampled_from_an_enlarged_copy():
    source = warp.Source(draw_face(place_mesh((32, 32), 14), (64, 64)), place_mesh((32, 32), 14))
    level, scale = source.level(0.25)
    assert level.shape[0] == 4 * source.image.shape[0] and scale == (4, 4)
    level, scale = source.level(1.0)
    assert level is source.image and scale == (1, 1)


def test_a_source_outside_its_picture_is_refused():
    with pytest.raises(ValueError, match="outside"):
        warp.Source(np.zeros((64, 64, 3), np.uint8), place_mesh((500, 500)))


@pytest.mark.parametrize("step_face", [60, 600])
def test_a_frame_takes_points_to_its_grid_and_back(step_face):
    points = place_mesh((900, 700), step_face)
    frame = Frame.around(points, (1400, 1800))
    back = scale_points(frame.to_grid(points), frame.step)[:, :2] + frame.rect[:2]
    np.testing.assert_allclose(back, points[:, :2], atol=1e-3)
    assert max(frame.grid_size) < 320
    y, x = np.mgrid[: frame.grid_size[0], : frame.grid_size[1]].astype(np.float32)
    large = frame.enlarge(np.stack([x, y], -1))
    back = large * frame.step + (frame.step - 1) / 2
    inner = np.s_[frame.step : -2 * frame.step, frame.step : -2 * frame.step]
    yy, xx = np.mgrid[: frame.size[0], : frame.size[1]]
    np.testing.assert_allclose(back[inner], np.stack([xx, yy], -1)[inner], atol=1e-3)


@pytest.mark.parametrize("unit", [1, 4])
def test_cells_around_hold_all_that_is_there_with_room(unit):
    grid = np.zeros((30, 40), np.float32)
    assert cells_around(grid, unit) is None
    grid[10, 17], grid[20, 39] = 0.5, 1
    rows, columns = cells_around(grid, unit)
    assert (rows.stop, columns.stop) == (22, 40)
    assert (rows.start, columns.start) == ((9, 16) if unit == 1 else (8, 16))


def test_nothing_is_filled_where_source_and_target_are_turned_alike():
    for yaw in (-0.8, 0.0, 0.8):
        points = place_mesh(yaw=yaw, eyes_apart=60)
        assert warp.hidden_share(points, points).max() == 0
        assert warp.Maps(place_mesh(yaw=yaw, eyes_apart=40), points, SIZE).fill is None


@pytest.mark.parametrize("side", [-1, 1])
def test_the_half_that_the_source_hides_is_filled_from_the_other(side):
    source, target = place_mesh(yaw=0.8 * side, eyes_apart=60), place_mesh(eyes_apart=80)
    maps = warp.Maps(source, target, SIZE)
    near, far = (234, 454) if source[234, 2] < source[454, 2] else (454, 234)  # edges of the half seen and hidden
    x, y = target[far, :2].round().astype(int)
    inwards = 8 if far == 234 else -8
    assert maps.fill[y, x + inwards] > 0.95
    x_near, y_near = target[near, :2].round().astype(int)
    assert maps.fill[y_near, x_near - inwards] < 0.01
    near, far = (50, 280) if near == 234 else (280, 50)  # the cheeks
    x, y = target[far, :2].round().astype(int)
    rows, columns = maps.filled
    assert np.linalg.norm(maps.mirrored[y - rows.start, x - columns.start] - source[near, :2]) < 2


def test_filling_a_mirrored_pair_gives_the_mirrored_share():
    source, target = place_mesh(yaw=0.7, eyes_apart=60), place_mesh(eyes_apart=60)
    share = warp.hidden_share(source, target)
    flipped = warp.hidden_share(mirror_points(source, 256), mirror_points(target, 256))
    assert share.sum() == pytest.approx(flipped.sum(), rel=1e-3) and share.max() > 0.9


@given(
    middle=st.tuples(st.floats(150, 250), st.floats(150, 250)),
    eyes_apart=st.floats(40, 180),
    width=st.integers(400, 460),
)
@settings(max_examples=60, deadline=None)
def test_the_frame_of_a_mirrored_face_is_the_mirrored_frame(middle, eyes_apart, width):
    points = place_mesh(middle, eyes_apart, yaw=0.2)  # one that leans to no side has no nearer one
    frame = Frame.around(points, (420, width))
    x0, y0, x1, y1 = frame.rect
    other = Frame.around(mirror_points(points, width), (420, width))
    assert other.step == frame.step
    assert np.abs(np.subtract(other.rect, (width - x1, y0, width - x0, y1))).max() == 0
    if x0 > 0 and x1 < width:
        assert (x1 - x0) % frame.step == 0

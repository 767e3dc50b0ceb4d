"""Facts about where the source is shown."""

import cv2
import numpy as np
import pytest
from drawn_face import place_mesh
from hypothesis import given, settings
from hypothesis import strategies as st
from seen_faces import FACE, POINTS, auto_mask

from faceswap.blend import sight
from faceswap.options import Options
from faceswap.shape.regions import LEFT_EYE, MOUTH, OVAL, RIGHT_EYE, face_width
from faceswap.tone.skin import dark_lenses, glasses, skin_likeness, to_lab, without_lines

SIZE = (256, 256)


def test_the_soft_edge_grows_with_the_face():
    found = []
    for eyes_apart in (30, 90):
        points = place_mesh(eyes_apart=eyes_apart)
        distance = sight.inner_distance(points[list(OVAL), :2], SIZE)
        edge = sight.smoothstep(distance, 0, Options().feather * face_width(points))
        row = edge[int(points[5, 1])]
        found.append(((row > 0.02) & (row < 0.98)).sum())
    assert found[1] == pytest.approx(3 * found[0], rel=0.25)


@settings(max_examples=20, deadline=None)
@given(radius=st.floats(20, 60), x=st.floats(-20, 120), y=st.floats(-20, 90))
def test_the_distance_to_a_polygon_is_that_to_its_circle(radius, x, y):
    angle = np.linspace(0, 2 * np.pi, 90, endpoint=False)
    ring = np.stack([x + radius * np.cos(angle), y + radius * np.sin(angle)], 1)
    yy, xx = np.mgrid[:70, :100]
    wanted = radius - np.hypot(xx - x, yy - y)
    near = (np.abs(wanted) < 5)[2:-2, 2:-2]  # the outermost pixels are not between two points of the grid
    assert np.abs(sight.inner_distance(ring, (70, 100)) - wanted)[2:-2, 2:-2][near].max(initial=0) < 0.5


def test_hair_on_the_sources_forehead_is_left_out():
    hairy = FACE.copy()
    top = int(POINTS[10, 1])
    cv2.ellipse(hairy, (70, top + 10), (46, 24), 0, 0, 360, (40, 30, 25), -1)
    found, plain = auto_mask(source=hairy), auto_mask()
    x, y = POINTS[103, :2].round().astype(int)  # forehead on that side, and the other
    x2, y2 = POINTS[332, :2].round().astype(int)
    assert found[y + 4, x + 4] < 0.05
    assert abs(found[y2 + 12, x2 - 12] - plain[y2 + 12, x2 - 12]) < 0.3


def test_a_forehead_covered_by_hair_cuts_the_mask_at_the_brows():
    hairy = FACE.copy()
    brow = int(POINTS[105, 1])
    hairy[: brow - 6] = (40, 30, 25)
    found = auto_mask(source=hairy)
    x, y = POINTS[151, :2].round().astype(int)
    assert found[: y - 2].max() == 0
    for point in (105, 334):
        x, y = POINTS[point, :2].round().astype(int)
        assert found[y + 3, x] > 0.25 and found[y + 8, x] > 0.6  # hair reaches down to them


def test_what_lies_over_the_targets_face_stays():
    covered = FACE.copy()
    x, y = POINTS[425, :2].round().astype(int)
    cv2.rectangle(covered, (x - 8, y - 10), (x + 90, y + 60), (20, 20, 25), -1)  # a microphone at one cheek
    found = auto_mask(target=covered)
    assert found[y + 5 : y + 30, x : x + 20].max() < 0.05
    x, y = POINTS[205, :2].round().astype(int)
    assert found[y, x] > 0.9


def test_a_beard_is_part_of_the_face():
    bearded = FACE.copy()
    beard = sight.polygon(POINTS, OVAL, SIZE, 0.93)
    beard[: int(POINTS[2, 1])] = 0
    bearded[beard > 0] = (60, 45, 38)
    found = auto_mask(source=bearded)
    x, y = POINTS[175, :2].round().astype(int)
    assert np.abs(found - auto_mask())[y - 30 : y + 5, x - 10 : x + 10].max() < 0.05


def test_the_open_mouth_of_the_target_keeps_its_teeth():
    closed = POINTS.copy()
    closed[list(MOUTH), 1] = POINTS[78, 1]
    assert sight.mouth_share(closed, POINTS) == 1
    assert sight.mouth_share(POINTS, closed) == 0
    assert sight.mouth_share(POINTS, POINTS) == 0
    found = sight.keep_target(np.ones(SIZE, np.float32), POINTS, MOUTH, 1.0)
    x, y = POINTS[list(MOUTH), :2].mean(0).round().astype(int)
    assert found[y, x] < 0.05 and found[y + 40, x] == 1


def test_a_source_too_small_to_show_an_eye_borrows_it():
    small, large = place_mesh(eyes_apart=9), place_mesh(eyes_apart=80)
    assert sight.detail_share(small, large, RIGHT_EYE, sight.ENOUGH_EYE) == 1
    assert sight.detail_share(small, small, RIGHT_EYE, sight.ENOUGH_EYE) == 0
    assert sight.detail_share(large, large, RIGHT_EYE, sight.ENOUGH_EYE) == 0


def test_an_edge_of_the_picture_is_no_edge_of_the_face():
    points = place_mesh(centre=(20, 128), eyes_apart=80)
    found = auto_mask(points=points, kind="oval")
    assert found[int(points[5, 1]), 0] == pytest.approx(1, abs=0.01)


def put_on_glasses(image):
    """Returns a copy with round glasses, the centres of the eyes and the ends of the bridge."""
    worn = image.copy()
    eyes = [POINTS[list(ring), :2].mean(0) for ring in (RIGHT_EYE, LEFT_EYE)]
    for x, y in eyes:
        cv2.circle(worn, (round(float(x)), round(float(y)) + 3), 25, (40, 35, 35), 3, cv2.LINE_AA)
    bridge = [(round(float(x)) + 25 * side, round(float(y)) + 2) for (x, y), side in zip(eyes, (1, -1))]
    cv2.line(worn, *bridge, (40, 35, 35), 3, cv2.LINE_AA)
    return worn, eyes, bridge


def test_a_source_takes_its_glasses_off():
    worn, eyes, bridge = put_on_glasses(FACE)
    found = without_lines(worn, POINTS)
    for x, y in eyes:
        x, y = round(float(x)), round(float(y))
        below = np.s_[y + 26 : y + 30, x - 4 : x + 5]
        assert np.abs(worn[below].astype(int) - FACE[below]).max() > 90
        assert np.abs(found[below].astype(int) - FACE[below]).max() < 25
        assert np.abs(found[y - 3 : y + 4, x - 3 : x + 4].astype(int) - FACE[y - 3 : y + 4, x - 3 : x + 4]).max() < 3
    assert without_lines(FACE, POINTS) is FACE


def test_a_source_loses_single_strands_on_its_forehead():
    strand = FACE.copy()
    (x, y), (x2, y2) = POINTS[109, :2].round().astype(int).tolist(), POINTS[107, :2].round().astype(int).tolist()
    cv2.line(strand, (x, y), (x2, y2 - 12), (60, 45, 40), 2, cv2.LINE_AA)
    found = without_lines(strand, POINTS)
    assert np.abs(strand.astype(int) - FACE).max() > 100
    middle = np.s_[(y + y2) // 2 - 8 : (y + y2) // 2 + 1, x - 12 : x + 13]
    assert np.abs(found[middle].astype(int) - FACE[middle]).max() < 25


def test_the_rims_of_the_targets_glasses_stay_and_its_eyes_do_not():
    worn, eyes, bridge = put_on_glasses(FACE)
    assert glasses(to_lab(FACE)[:, :, 0], POINTS) is None
    plain, found = auto_mask(), auto_mask(target=worn)
    for x, y in eyes:
        x, y = round(float(x)), round(float(y))
        assert found[y, x] == pytest.approx(plain[y, x], abs=0.02)
        assert found[y + 28, x] < 0.3 and plain[y + 28, x] > 0.9
    assert found[bridge[0][1], (bridge[0][0] + bridge[1][0]) // 2] < 0.3


def put_on_sunglasses(image):
    """Returns a copy with dark lenses that hide eyes and brows, and the centres of the eyes."""
    worn, eyes = image.copy(), [POINTS[list(ring), :2].mean(0) for ring in (RIGHT_EYE, LEFT_EYE)]
    for x, y in eyes:
        cv2.ellipse(worn, (round(float(x)), round(float(y))), (30, 22), 0, 0, 360, (45, 40, 42), -1, cv2.LINE_AA)
    return worn, eyes


def test_dark_glasses_of_the_target_stay_as_they_are():
    worn, eyes = put_on_sunglasses(FACE)
    found, lenses = auto_mask(target=worn), (worn != FACE).any(2)
    assert found[lenses].max() < 0.02
    x, y = POINTS[2, :2].round().astype(int)  # under the nose
    assert found[y + 6, x] > 0.9


def test_behind_dark_glasses_of_the_source_the_targets_eyes_stay():
    worn, eyes = put_on_sunglasses(FACE)
    assert dark_lenses(skin_likeness(to_lab(FACE), POINTS), POINTS) is None
    found, plain = auto_mask(source=worn), auto_mask()
    for x, y in eyes:
        x, y = round(float(x)), round(float(y))
        assert found[y, x] < 0.02 and plain[y, x] > 0.9


def test_a_dark_mouth_is_not_stretched_over_teeth():
    light, skin = np.full(SIZE, 60, np.float32), np.ones(SIZE, np.float32)
    inside = sight.polygon(POINTS, MOUTH, SIZE) > 0
    light[inside], skin[inside] = 57, 0
    teeth = sight.mouth_light(light, skin, POINTS)
    light[inside] = 24
    dark = sight.mouth_light(light, skin, POINTS)
    assert teeth == pytest.approx(0.95, abs=0.01) and dark == pytest.approx(0.4, abs=0.01)
    opened, closed = POINTS.copy(), POINTS.copy()
    opened[list(MOUTH), 1] = opened[list(MOUTH), 1].mean() + 3 * (
        opened[list(MOUTH), 1] - opened[list(MOUTH), 1].mean()
    )
    closed[list(MOUTH), 1] = closed[list(MOUTH), 1].mean()
    assert sight.teeth_share(dark, teeth, opened) == 1
    assert sight.teeth_share(teeth, teeth, opened) == 0 and sight.teeth_share(teeth, dark, opened) == 0
    assert sight.teeth_share(dark, teeth, closed) == 0

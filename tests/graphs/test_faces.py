"""Facts about the detectors and the mesh: they see what MediaPipe 0.10.21 sees, and the arithmetic around them."""

import cv2
import numpy as np
import pytest
from known_faces import PICTURES, crops, known, picture, portraits

from graphs.blazeface import DETECTORS, FULL_RANGE, POINTS, SHORT_RANGE, FaceDetector, Found, _averaged
from graphs.facemesh import FaceMesh, MeshNetwork
from graphs.squares import Square

KEYS = {SHORT_RANGE: "short", FULL_RANGE: "full"}
each_picture = pytest.mark.parametrize("name", PICTURES)


@pytest.mark.parametrize("detector", DETECTORS)
@each_picture
def test_a_detector_finds_what_it_found_in_mediapipe(detector, name):
    image, rows = picture(name), known(f"{name}/{KEYS[detector]}")
    found = FaceDetector(detector)(image)
    assert len(found.scores) == len(rows)
    assert np.abs(found.scores - rows[:, 0]).max(initial=0) < 1e-4
    places = np.concatenate([found.boxes, found.points.reshape(-1, 2 * POINTS)], 1)
    assert np.abs(places - rows[:, 1:]).max(initial=0) < 2.4e-4 * max(image.shape)
    assert DETECTORS[detector].help


@each_picture
def test_the_mesh_lies_where_it_lay_in_mediapipe(name):
    meshes, wanted = FaceMesh(most=3)(picture(name)), known(f"{name}/mesh")
    assert len(meshes) == len(wanted)
    for points, points_before in zip(meshes, wanted):
        assert points.shape == (468, 3) and points.dtype == np.float32
        assert np.abs(points - points_before).max() < 0.035


def test_the_mesh_network_alone_gives_what_it_gave_in_mediapipe():
    network, nobody = MeshNetwork(), 0
    for crop, wanted in zip(crops(), known("crops/mesh"), strict=True):
        points = network(crop)
        if points is None:
            nobody += np.isnan(wanted).all()
        else:
            assert np.abs(points - wanted).max() < 1.5e-4
    assert nobody == 1


def test_no_more_faces_are_looked_at_than_asked_for_the_surest_first():
    scores = FaceDetector(FULL_RANGE)(portraits()).scores
    assert len(scores) == 12 and (np.diff(scores) <= 0).all()
    assert [len(FaceMesh(most)(portraits())) for most in (1, 3, 20)] == [1, 3, 12]


def test_the_least_score_decides_what_is_a_face():
    counts = [len(FaceDetector(SHORT_RANGE, least)(portraits()).scores) for least in (0.05, 0.5, 0.999)]
    assert counts[0] >= counts[1] == 12 and counts[2] == 0


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (64, 64)])
def test_pictures_of_nothing_show_nobody(shape):
    blank = np.full((*shape, 3), 127, np.uint8)
    assert all(FaceDetector(name)(blank).boxes.shape == (0, 4) for name in DETECTORS)
    assert FaceMesh()(blank) == []


def test_boxes_that_overlap_are_averaged_by_their_scores():
    box = np.float32([[0, 0], [1, 1]] + [[0.5, 0.5]] * POINTS)
    places = np.stack([box, box + 0.1, box + 5])
    kept, scores = _averaged(places, np.float32([0.6, 0.9, 0.7]))
    assert scores.tolist() == pytest.approx([0.9, 0.7])
    assert np.allclose(kept[0], box + 0.1 * 0.9 / 1.5) and np.allclose(kept[1], places[2])


def test_of_regions_that_overlap_one_is_looked_at():
    boxes = np.float32([[0, 0, 100, 100], [10, 0, 110, 100], [300, 0, 400, 100]])
    points = np.tile(np.float32([[30, 40], [70, 40]] + [[50, 60]] * (POINTS - 2)), (3, 1, 1))
    mesh = FaceMesh(most=3)
    mesh._detector = lambda image: Found(boxes, points, np.float32([0.9, 0.8, 0.7]))
    centres = [square.centre.tolist() for square in mesh._squares(None)]
    assert centres == [[60, 50], [350, 50]]


def test_convention_corners_of_a_square_go_to_corners_of_its_picture():
    image = np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8)
    square = Square(np.float32([31.5, 31.5]), 64, 0.0)
    assert np.array_equal(square.cut(image, 64), image)
    assert np.array_equal(square.cut(image, 32), image[::2, ::2])
    ends = np.float32([[-0.5, -0.5, 0], [31.5, 31.5, 10]])
    assert np.allclose(square.place(ends, 32), [[-0.5, -0.5, 0], [63.5, 63.5, 20]])


@pytest.mark.parametrize("angle", [0.0, 0.4, -1.2, 3.0])
def test_points_of_a_cut_are_placed_where_they_were_cut_from(angle):
    y, x = np.mgrid[:200, :240].astype(np.float32)
    image = np.stack([x, y, x], -1).astype(np.uint8)  # each pixel tells where it is
    square, size = Square(np.float32([118, 96]), 80.0, angle), 80
    cut = square.cut(image, size, cv2.BORDER_CONSTANT)
    at = np.stack(np.meshgrid(range(10, 70, 7), range(10, 70, 7)), -1).reshape(-1, 2)
    placed = square.place(at - np.float32(0.5), size) + 0.5  # the half pixel that pixels move outwards
    assert np.abs(cut[at[:, 1], at[:, 0], :2] - placed).max() < 0.6

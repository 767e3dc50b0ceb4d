"""Facts about finding faces, on one photo and on drawn portraits."""

import sys

import cv2
import numpy as np
import pytest
from drawn_face import draw_face, place_mesh
from known_faces import PHOTO, PICTURES, known, picture

from faceswap.cli.photo import run
from faceswap.find import detection
from faceswap.find.landmarkers import make_landmarker
from faceswap.find.mesh import MeshLandmarker
from faceswap.shape.geometry import scale_points, transform_points
from faceswap.shape.regions import FROM_68, LEFT_EYE, RIGHT_EYE, face_width, mirror_points, to_mesh


@pytest.fixture(scope="module")
def landmarker():
    return MeshLandmarker()


@pytest.fixture(scope="module")
def face(landmarker):
    (points,) = landmarker.find(PHOTO)
    return points


def eyes_apart(points):
    return np.linalg.norm(points[list(LEFT_EYE), :2].mean(0) - points[list(RIGHT_EYE), :2].mean(0))


def error(found, wanted):
    """Mean distance in per cent of the distance between the eyes."""
    return 100 * np.linalg.norm(found[:, :2] - wanted[:, :2], axis=1).mean() / eyes_apart(wanted)


def test_the_face_is_found_once_with_its_eyes_where_they_are(face):
    assert face.shape == (468, 3) and face.dtype == np.float32
    for ring in (RIGHT_EYE, LEFT_EYE):
        x, y = face[list(ring), :2].mean(0).round().astype(int)
        assert PHOTO[y - 4 : y + 5, x - 4 : x + 5].min() < 60  # the pupil is there
    assert 80 < face_width(face) < 120


def test_faces_are_found_where_they_were_found_with_mediapipe(landmarker):
    away = []
    for name in PICTURES:
        found, wanted = landmarker.find(picture(name)), known(f"{name}/find")
        assert len(found) == len(wanted), name
        away += [np.linalg.norm((one - other)[:, :2], axis=1) for one, other in zip(found, wanted)]
    assert np.median(away) < 0.04 and np.max(away) < 0.37


@pytest.mark.parametrize("size", [48, 64, 128])
def test_a_portrait_of_few_pixels_is_enough(landmarker, face, size):
    x0, y0, x1, y1 = (int(v) for v in (150, 20, 300, 200))
    part = PHOTO[y0:y1, x0 - 15 : x1 + 15]
    small = cv2.resize(part, (size, size), interpolation=cv2.INTER_AREA)
    (found,) = landmarker.find(small)
    wanted = scale_points(face - np.float32([x0 - 15, y0, 0]), (size / part.shape[1], size / part.shape[0]))
    assert error(found, wanted) < 4


@pytest.mark.parametrize("width", [24, 40, 80])
def test_a_small_face_in_a_body_shot_is_found(landmarker, face, width):
    factor = width / face_width(face)
    small = cv2.resize(PHOTO, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    body = np.full((1536, 1024, 3), 200, np.uint8)
    body[400:, 300:700] = (60, 80, 120)
    x, y = 410, 190
    body[y : y + small.shape[0], x : x + small.shape[1]] = small
    found = landmarker.find(body)
    wanted = scale_points(face, factor) + np.float32([x, y, 0])
    assert len(found) == 1
    assert error(found[0], wanted) < 4


@pytest.mark.parametrize("angle", [-60, -30, 30, 60])
def test_a_tilted_head_is_found(landmarker, face, angle):
    matrix = cv2.getRotationMatrix2D((225, 130), angle, 1.0)
    tilted = cv2.warpAffine(PHOTO, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    found = landmarker.find(tilted)
    assert len(found) >= 1
    assert error(found[0], transform_points(face, matrix)) < 3


def test_several_faces_come_largest_first(landmarker, face):
    half = cv2.resize(PHOTO, (256, 256), interpolation=cv2.INTER_AREA)
    both = np.full((512, 800, 3), 128, np.uint8)
    both[:, :512] = PHOTO
    both[100:356, 530:786] = half
    found = landmarker.find(both)
    assert len(found) == 2
    assert face_width(found[0]) > 1.8 * face_width(found[1])


def test_left_and_right_are_treated_alike(landmarker, face):
    (found,) = landmarker.find(np.ascontiguousarray(PHOTO[:, ::-1]))
    assert error(mirror_points(found, PHOTO.shape[1]), face) < 1


@pytest.mark.parametrize("shape", [(1, 1), (3, 900), (64, 64), (700, 700)])
def test_pictures_without_a_face_give_an_empty_list(landmarker, shape):
    assert landmarker.find(np.full((*shape, 3), 127, np.uint8)) == []


def test_an_unknown_landmarker_is_refused():
    with pytest.raises(ValueError, match="unknown landmarks 'dlib'"):
        make_landmarker("dlib")


def test_the_68_points_say_before_they_fetch_anything_and_explain_a_missing_network(monkeypatch, tmp_path):
    import face_alignment
    import torch.hub

    told = []
    monkeypatch.setattr(torch.hub, "get_dir", lambda: str(tmp_path))

    def offline(*_, **__):
        raise OSError("Name or service\nnot known")

    monkeypatch.setattr(face_alignment, "FaceAlignment", offline)
    fan = make_landmarker("fan", told.append)
    assert told == []
    with pytest.raises(OSError, match="could not be fetched .*mesh") as caught:
        fan.find(PHOTO)
    assert "\n" not in str(caught.value)
    assert len(told) == 1 and "fetching" in told[0] and str(tmp_path) in told[0]


def test_without_face_alignment_the_extra_is_named(monkeypatch, face):
    monkeypatch.setitem(sys.modules, "face_alignment", None)
    with pytest.raises(ValueError, match=r"take face_alignment, .*pip install '\.\[fan\]'.* mesh"):
        make_landmarker("fan").find(PHOTO)


def test_the_68_points_are_asked_for_around_each_face(monkeypatch, face):
    import face_alignment

    seen = []

    class Network:
        def __init__(self, *_, **__):
            pass

        def get_landmarks_from_image(self, image, detected_faces):
            seen.extend(detected_faces)
            return [face[list(FROM_68), :2]]

    monkeypatch.setattr(face_alignment, "FaceAlignment", Network)
    (found,) = make_landmarker("fan").find(PHOTO)
    assert found.shape == (68, 2) and len(seen) == 1
    x0, y0, x1, y1 = seen[0]
    assert x0 < face[1, 0] < x1 and y0 < face[151, 1] < face[17, 1] < y1
    assert error(to_mesh(found), face) < 6


def test_tiles_cover_everything_and_overlap():
    for length in (100, 512, 513, 1024, 1536, 2048):
        starts = detection.tile_starts(length)
        assert starts[0] == 0 and starts[-1] == max(length - detection.TILE, 0)
        assert all(b - a <= detection.TILE - detection.SHARED for a, b in zip(starts, starts[1:]))


def test_of_two_detections_of_one_face_the_surer_stays():
    eyes = np.zeros((2, 2), np.float32)
    boxes = [np.float32(b) for b in ((0, 0, 10, 10), (1, 1, 11, 11), (50, 50, 60, 60))]
    sure = [detection.Detection(box, eyes, score) for box, score in zip(boxes, (0.6, 0.9, 0.7))]
    assert [d.score for d in detection.merge(sure)] == [0.9, 0.7]


@pytest.mark.parametrize("roll", [0.0, 0.8])
def test_an_upright_crop_shows_the_eyes_level(roll):
    points = place_mesh((100, 130), 40, roll=roll)
    image = draw_face(points)
    eyes = np.stack([points[list(ring), :2].mean(0) for ring in (RIGHT_EYE, LEFT_EYE)])
    crop, to_image = detection.crop_upright(image, eyes, 150, 300)
    inverse = cv2.invertAffineTransform(to_image)
    right, left = transform_points(eyes, inverse)
    assert abs(right[1] - left[1]) < 1e-3 and left[0] > right[0]
    for x, y in (right, left):
        assert crop[int(y + 0.5), int(x + 0.5)].max() < 90


def test_a_crop_beyond_the_picture_does_no_harm():
    eyes = np.float32([[900, 900], [950, 900]])
    crop, _ = detection.crop_upright(np.full((64, 64, 3), 9, np.uint8), eyes, 100, 32)
    assert crop.shape == (32, 32, 3)


def test_a_command_runs_where_there_is_no_standard_error(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stderr", None)
    assert run(lambda args: f"{args} done", "work") == 0
    assert sys.stderr is None and capfd.readouterr().out == "work done\n"


def test_one_tile_at_a_time_finds_in_its_turn_what_all_of_them_find(landmarker, face):
    factor = 30 / face_width(face)
    small = cv2.resize(PHOTO, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
    frame = np.full((720, 1280, 3), 190, np.uint8)
    frame[60 : 60 + small.shape[0], 1000 : 1000 + small.shape[1]] = small
    count = len(detection.tile_starts(720)) * len(detection.tile_starts(1280))
    found = [landmarker.find_others(frame, (), whole=(), tile=number) for number in range(count)]
    seen = [points for faces in found for points in faces]
    (wanted,) = landmarker.find_others(frame, ())
    assert 1 <= len(seen) <= 4 and all(error(points, wanted) < 6 for points in seen)
    assert landmarker.find_others(frame, (wanted,)) == []
    assert landmarker.find_others(frame, (), whole=(), tile=None) == []

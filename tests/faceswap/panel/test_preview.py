"""The live preview."""

import numpy as np
from drawn_face import place_mesh
from two_faces import FACE, FACE_POINTS, PHOTO, POINTS

from faceswap.options import Options
from faceswap.panel.preview import PREVIEW_PIXELS, make_view, wipe
from faceswap.shape.regions import box_of
from faceswap.swap import Swapper


def test_preview_is_the_swap_of_the_chosen_faces_and_follows_an_option(panel):
    swapper = Swapper(FACE, Options(), points=FACE_POINTS)
    assert np.array_equal(panel.preview.after, swapper.swap(PHOTO, POINTS))
    panel.choice.numbers.children[1].value = False
    assert np.array_equal(panel.preview.after, swapper.swap(PHOTO, POINTS[:1]))
    panel.controls.by_name["strength"].value = 0.0
    assert np.array_equal(panel.preview.after, PHOTO)
    assert "1 of 2 faces" in panel.preview.caption.value


def test_close_up_shows_the_faces_alone(panel):
    panel.choice.numbers.children[0].value = False
    panel.preview.zoom.value = True
    assert panel.preview.view.image.shape[1] < PHOTO.shape[1]
    for points in panel.preview.view.faces:
        x0, y0, x1, y1 = box_of(points)
        assert 0 <= x0 < x1 <= panel.preview.view.image.shape[1] and 0 <= y0 < y1 <= panel.preview.view.image.shape[0]


def test_view_of_a_large_photo_is_reduced_with_its_landmarks():
    large = np.zeros((3000, 2000, 3), np.uint8)
    points = place_mesh((1000, 1500), 200)
    view = make_view(large, [points], zoom=False)
    height, width = view.image.shape[:2]
    assert PREVIEW_PIXELS * 0.98 < height * width <= PREVIEW_PIXELS * 1.01
    scale = [width / 2000, height / 3000]
    assert np.allclose((view.faces[0][:, :2] + 0.5), (points[:, :2] + 0.5) * scale, atol=1e-3)


def test_wipe_shows_before_left_of_the_line():
    before, after = np.zeros((4, 10, 3), np.uint8), np.full((4, 10, 3), 9, np.uint8)
    assert np.array_equal(wipe(before, after, 0), after) and np.array_equal(wipe(before, after, 1), before)
    half = wipe(before, after, 0.5)
    assert (half[:, :4] == 0).all() and (half[:, 6:] == 9).all()

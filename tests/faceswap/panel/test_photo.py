"""The choice of faces in a photo."""

import numpy as np
from two_faces import PHOTO, POINTS

from faceswap.panel.photo import number_faces
from faceswap.shape.regions import box_of


def test_a_click_on_a_face_in_the_photo_chooses_it_or_leaves_it_out(panel):
    image, *picks = panel.choice.box.children
    assert image is panel.choice.image and len(picks) == 2
    scale = int(image.layout.width[:-2]) / PHOTO.shape[1]
    for pick, points in zip(picks, POINTS):
        top, _, _, left = (int(part.removesuffix("px")) for part in pick.layout.margin.split())
        middle = np.array([left, top]) + [int(pick.layout.width[:-2]) / 2, int(pick.layout.height[:-2]) / 2]
        box = box_of(points) * scale
        assert np.abs(middle - (box[:2] + box[2:]) / 2).max() <= 1
    picks[0].click()
    assert panel.choice.chosen() == [1] and not panel.choice.numbers.children[0].value
    picks[0].click()
    assert panel.choice.chosen() == [0, 1] and panel.choice.box.children[1] is picks[0]


def test_thumbnail_keeps_the_photo_in_proportion():
    small = number_faces(PHOTO, POINTS, [0], 130)
    assert small.shape[:2] == (130, 220) and not np.array_equal(small, number_faces(PHOTO, POINTS, [1], 130))

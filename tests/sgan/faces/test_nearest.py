"""The nearest of many pictures."""

import numpy as np

from sgan.faces.nearest import nearest_images


def test_nearest_finds_a_picture_itself_mirrored_or_not_and_of_another_size():
    pixels = np.random.default_rng(0).integers(0, 256, (50, 8, 8, 3), np.uint8)
    for picture in (pixels[7], pixels[7][:, ::-1], pixels[7].repeat(4, 0).repeat(4, 1)):
        order, distances = nearest_images(pixels, picture, 3)
        assert order[0] == 7 and distances[0] == 0 and np.all(np.diff(distances) >= 0)

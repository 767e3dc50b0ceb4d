"""Facts of pictures for people."""

import numpy as np
import torch

from sgan.viz import make_grid, plot_losses, to_uint8


def test_a_long_mark_leaves_the_curves_their_room():
    history = [{"kimg": i, "loss_d": i % 2, "resolution": 8} for i in range(10)]
    heights = []
    for marks in ([], [(8.0, "x" * 300)]):
        red, green, blue = plot_losses(history, marks)[..., :3].astype(int).transpose(2, 0, 1)
        curve = (blue > 150) & (red < 90)  # the first curve's colour
        heights.append(np.flatnonzero(curve.any(axis=1)).size)
    assert heights[1] > 0.9 * heights[0] > 100


def test_to_uint8_maps_the_ends_and_clips():
    img = torch.tensor([-1.0, 0.0, 1.0, 5.0, -5.0]).reshape(1, 1, 1, 5).expand(1, 3, 1, 5)
    assert to_uint8(img)[0, 0, :, 0].tolist() == [0, 128, 255, 255, 0]


def test_grid_places_row_by_row():
    images = np.arange(5, dtype=np.uint8)[:, None, None, None] * np.ones((5, 2, 2, 3), np.uint8)
    grid = make_grid(images, columns=3)
    assert grid.shape == (4, 6, 3)
    assert grid[::2, ::2, 0].tolist() == [[0, 1, 2], [3, 4, 255]]


def test_loss_plot_shows_its_curves():
    rows = [{"kimg": k, "loss_d": 1.0, "loss_g": 2.0, "resolution": 8 if k < 5 else 16} for k in range(10)]
    picture = plot_losses(rows)
    assert picture.dtype == np.uint8 and picture.shape[2] == 3 and picture.min() < 100
    assert not np.array_equal(picture, plot_losses(rows, marks=[(3, "learning_rate 0.1")]))
    assert not np.array_equal(picture, plot_losses(rows, log_scale=True))

"""The plot of losses."""

import numpy as np

from sgan.viz import plot_losses


def test_a_long_mark_leaves_the_curves_their_room():
    history = [{"kimg": i, "loss_d": i % 2, "resolution": 8} for i in range(10)]
    heights = []
    for marks in ([], [(8.0, "x" * 300)]):
        red, green, blue = plot_losses(history, marks)[..., :3].astype(int).transpose(2, 0, 1)
        curve = (blue > 150) & (red < 90)  # the first curve's colour
        heights.append(np.flatnonzero(curve.any(axis=1)).size)
    assert heights[1] > 0.9 * heights[0] > 100

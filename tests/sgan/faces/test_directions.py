"""Directions that are found without labels, and steps along them."""

import numpy as np
import pytest

from sgan.config import resolution_of
from sgan.faces.editing import Edit, apply_edits, find_directions, sample_w, style_indices
from sgan.faces.sampling import seeds_to_ws
from sgan.weights.checkpoint import load_generator


def test_directions_are_orthonormal_and_strongest_first(checkpoint):
    G = load_generator(checkpoint)
    for kind in ("weights", "samples"):
        found = find_directions(G, kind, "coarse", count=4)
        assert np.allclose(found.vectors @ found.vectors.T, np.eye(4), atol=1e-5)
    assert np.all(np.diff(found.deviations) <= 1e-4)  # of the samples' own principal components
    w = sample_w(G)
    assert found.deviations[0] ** 2 == pytest.approx(np.linalg.eigvalsh(np.cov(w.T))[-1], rel=1e-3)


def test_an_edit_moves_only_the_layers_of_its_range(checkpoint):
    G = load_generator(checkpoint)
    ws = seeds_to_ws(G, [0])
    moved = apply_edits(G, ws, [Edit("weights", "coarse", 0, 2.0)])
    changed = {i for i in range(G.config.num_ws) if not np.array_equal(ws[0, i], moved[0, i])}
    assert changed == set(style_indices(G.config, "coarse")) < set(range(G.config.num_ws))
    assert resolution_of(1) == 8  # coarse ends there

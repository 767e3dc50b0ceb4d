"""A way through w that closes."""

import numpy as np

from sgan.faces.sampling import seeds_to_ws
from sgan.faces.walk import walk_ws
from sgan.weights.checkpoint import load_generator


def test_walk_passes_through_every_seed_and_closes(checkpoint):
    G = load_generator(checkpoint)
    ws = walk_ws(G, [1, 2, 3], 8, 0.7)
    assert ws.shape[0] == 24 and np.allclose(ws[::8], seeds_to_ws(G, [1, 2, 3], 0.7), atol=1e-6)
    steps = np.linalg.norm(np.roll(ws, -1, axis=0) - ws, axis=-1)
    assert steps.max() < 4 * np.median(steps)  # no jolt, at the seam neither

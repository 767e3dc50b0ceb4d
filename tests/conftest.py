"""Puts the project's root on the path, so that the tests run from any folder."""

import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
if str(ROOT) not in sys.path:
    sys.path.insert(0, str(ROOT))
if "PYTEST_XDIST_WORKER" in os.environ:  # several workers share the cores; threads of each would wait for one another
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def pytest_collection_modifyitems(items):
    """Tests that fork come first: once PyTorch has started threads for autograd it refuses to train in a fork."""
    items.sort(key=lambda item: item.get_closest_marker("forks") is None)
    for item in items:
        if item.get_closest_marker("forks") and not hasattr(os, "fork"):
            item.add_marker(pytest.mark.skip(reason="this system cannot fork"))


@pytest.fixture
def noise_batches():
    """A function (config, nimg) -> endless uint8 batches of noise that follow the config's schedule."""
    import numpy as np

    def make(config, nimg=0):
        while True:
            resolution = 2 ** (config.schedule(nimg)[0] + 2)
            n = config.batch_size_at(resolution)
            yield np.random.default_rng(nimg).integers(0, 256, (n, 3, resolution, resolution), dtype=np.uint8)
            nimg += n

    return make

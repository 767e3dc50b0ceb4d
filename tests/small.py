"""Small trainings and pictures, and how to compare what came of them."""

import itertools

import desk
import numpy as np
import torch

from sgan.events import Control
from sgan.training.loop import train

TINY = desk.TINY | {"n_fc": 2, "n_show_loss": 2}
EIGHTS = TINY | {"mini_batch_size": 8, "n_show_loss": 10}


def run(state, batches, until=24, control=None, **kwargs):
    """The events of a training that saves nothing on its way."""
    return list(train(state, batches, control or Control(), until_nimg=until, **{"save_nimg": 10**9, **kwargs}))


def weights(state):
    """Copies of all tensors of the networks by name."""
    return {f"{p}.{n}": t.clone() for p, net in state.networks().items() for n, t in net.state_dict().items()}


def equal(a, b):
    """Whether two such dictionaries are the same to the last bit."""
    return a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)


def of(events, kind):
    """The events of one kind."""
    return [event for event in events if isinstance(event, kind)]


def real_pictures(config):
    """A function from an image count to batches of soft random pictures, which a GAN can learn."""
    rng = np.random.default_rng(0)
    colours = rng.integers(60, 200, (64, 3, 1, 1)) + rng.integers(-40, 40, (64, 3, 8, 8))

    def batches(nimg):
        for n in itertools.count(nimg, config.batch_size_at(8)):
            yield colours[np.random.default_rng(n).integers(0, 64, config.batch_size_at(8))].astype(np.uint8)

    return batches


def noise(n, side, seed=0, smooth=0.0):
    """uint8 [n, side, side, 3] of noise, the same in every colour, blurred by `smooth` pixels and stretched again."""
    values = np.random.default_rng(seed).standard_normal((n, side, side))
    if smooth:
        from skimage.filters import gaussian

        values = gaussian(values, (0, smooth, smooth), mode="wrap")
        values /= values.std()
    return np.repeat((values * 40 + 128).clip(0, 255).astype(np.uint8)[..., None], 3, axis=3)

"""FID and KID, with a library that is not there."""

import sys
import types

import numpy as np
import pytest
import torch
from small import noise

from sgan.judging.inception import inception_scores


def test_fid_says_why_it_is_missing(monkeypatch):
    pictures = noise(10, 16)
    monkeypatch.setitem(sys.modules, "torch_fidelity", None)
    with pytest.raises(ImportError, match="not installed"):
        inception_scores(pictures, pictures, 0, False)

    def offline(**options):
        raise OSError("no such host")

    monkeypatch.setitem(sys.modules, "torch_fidelity", types.SimpleNamespace(calculate_metrics=offline))
    with pytest.raises(ValueError, match=r"cannot be had \(no such host\)"):
        inception_scores(pictures, pictures, 0, False)


def test_fid_is_given_generated_against_real(monkeypatch):
    real, fake, given = noise(10, 16), noise(12, 16, seed=1), {}

    def calculate(**options):
        given.update(options)
        return {"frechet_inception_distance": 3.0, "kernel_inception_distance_mean": 0.5}

    monkeypatch.setitem(sys.modules, "torch_fidelity", types.SimpleNamespace(calculate_metrics=calculate))
    assert inception_scores(real, fake, 4, False) == {"fid": 3.0, "kid": 0.5}
    assert np.array_equal(given["input1"][3].permute(1, 2, 0), fake[3]) and len(given["input1"]) == 12
    assert np.array_equal(given["input2"][3].permute(1, 2, 0), real[3]) and given["rng_seed"] == 4
    assert given["input1"][0].dtype == torch.uint8

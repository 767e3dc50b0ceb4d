"""Memorised faces are found."""

import numpy as np
import pytest
from small import noise

from sgan.data.dataset import open_dataset
from sgan.judging.checkpoint import judge
from sgan.judging.evidence import Sample


def test_memorised_faces_are_found_in_either_direction(forty_faces, tmp_path):
    dataset = open_dataset(forty_faces, 16, tmp_path / "cache")
    pixels = dataset.pixels[16]
    fake = noise(10, 16, seed=5, smooth=2)
    fake[2], fake[7] = pixels[31], pixels[12][:, ::-1]
    verdict = judge(Sample(pixels[:10], fake, None, np.arange(10), range(100, 110)), dataset, ["nearest"])
    first, second = sorted(verdict.values["nearest"]["closest"][:2], key=lambda row: row["seed"])
    assert (first["seed"], first["name"], first["mirrored"]) == (102, "31.png", False)
    assert (second["seed"], second["name"], second["mirrored"]) == (107, "12.png", True)
    assert max(first["distance"], second["distance"]) < 1e-3
    assert verdict.values["nearest"]["nearer_than_1_percent_of_training"] == pytest.approx(0.2)
    assert verdict.values["nearest"]["training"]["min"] > 0  # a picture is no neighbour of itself
    assert verdict.sheet.dtype == np.uint8 and verdict.sheet.ndim == 3

"""Every measure of the table, asked or not."""

import json

import numpy as np
import pytest
from small import noise

from sgan.data.dataset import open_dataset
from sgan.judging.checkpoint import judge
from sgan.judging.evidence import Sample
from sgan.judging.measures import MEASURES, Measure


@pytest.fixture
def evidence(forty_faces, tmp_path):
    """(a sample, the data set that it is from)."""
    dataset = open_dataset(forty_faces, 16, tmp_path / "cache")
    pixels = dataset.pixels[16]
    return Sample(np.asarray(pixels[:10]), noise(10, 16, 1, 2), pixels[10:20], np.arange(10), range(10)), dataset


@pytest.mark.parametrize("name", MEASURES)
def test_a_measure_gives_its_values_again_and_again(evidence, name):
    heard = []
    first, second = (judge(*evidence, [name], say=heard.append).values for _ in range(2))
    assert set(MEASURES[name].values) <= set(first) and json.dumps(first) == json.dumps(second)
    assert heard == [MEASURES[name].help] * 2 and "\n" not in MEASURES[name].help
    missing = [value for value in MEASURES[name].values if first[value] is None]
    assert (missing == list(MEASURES[name].values)) == bool(first["notes"])  # all or none, and with a reason


def test_a_measure_that_cannot_be_taken_says_why(evidence, monkeypatch):
    def refuse(evidence):
        raise ValueError("too dark")

    monkeypatch.setitem(MEASURES, "beauty", Measure(refuse, "beauty", ("beauty", "grace")))
    values = judge(*evidence, ["beauty"]).values
    assert values["beauty"] is values["grace"] is None and values["notes"] == ["too dark"]

"""A checkpoint judged."""

import numpy as np
import pytest
from desk import draw_pictures
from small import TINY

from sgan.config import ConfigError, TrainConfig
from sgan.data.dataset import open_dataset
from sgan.judging import checkpoint as judging
from sgan.judging.checkpoint import judge, state_judge
from sgan.judging.evidence import Sample
from sgan.training.state import TrainState


def test_while_a_layer_fades_in_the_one_below_is_judged(tmp_path):
    dataset = open_dataset(draw_pictures(tmp_path / "faces", 12), 16, tmp_path / "cache")
    state = TrainState.create(TrainConfig(**{**TINY, "max_step": 2, "n_sample": 8}))
    found = {}
    for state.nimg in (0, 12, 16):
        found[state.nimg] = state_judge(dataset, 10)(state)["resolution"]
    assert found == {0: 8, 12: 8, 16: 16}


def test_a_training_draws_no_pictures_that_its_verdict_leaves_out(tmp_path, monkeypatch):
    dataset = open_dataset(draw_pictures(tmp_path / "faces", 24), 8, tmp_path / "cache")
    state, samples, judge = TrainState.create(TrainConfig(**TINY)), [], judging.judge
    monkeypatch.setattr(
        judging, "judge", lambda sample, *rest, **more: samples.append(sample) or judge(sample, *rest, **more)
    )
    assert state_judge(dataset, 10)(state)["coverage"] is not None
    assert samples[0].others is None and len(samples[0].real) == len(samples[0].fake) == 10
    assert len(judging.draw_sample(state.G_ema, dataset, 10).others) == 10  # as the command `metrics` has them


def test_the_verdict_on_the_training_images_themselves(forty_faces, tmp_path):
    dataset = open_dataset(forty_faces, 16, tmp_path / "cache")
    real = np.asarray(dataset.pixels[16][:20])
    sample = Sample(real, real, dataset.pixels[16][20:], np.arange(20), range(20))
    values = judge(sample, dataset, ["swd", "coverage", "octaves"]).values
    assert (values["density"], values["coverage"], values["high_frequency"]) == (1.0, 1.0, 0.0)
    assert values["swd"]["mean"] == 0.0 < values["swd_of_training_images"]["mean"]
    with pytest.raises(ConfigError, match="'beauty' is unknown"):
        judge(sample, dataset, ["beauty"])

"""Every preset is a training."""

import pytest

from sgan.config import TrainConfig
from sgan.presets import PRESETS


@pytest.mark.parametrize("name", PRESETS)
def test_a_preset_is_a_training_with_a_title_and_what_it_is_for(name):
    preset = PRESETS[name]
    config = TrainConfig(**preset)
    assert {key: getattr(config, key) for key in preset} == preset and config.n_sample_total > config.n_sample
    assert preset.title and preset.help and "\n" not in preset.title + preset.help
    assert [other.title for other in PRESETS.values()].count(preset.title) == 1


def test_the_presets_leave_the_last_layer_what_the_docs_say():
    for name, times in (("cpu", 7), ("gpu", 12), ("celeba1024", 13)):
        config = TrainConfig(**PRESETS[name])
        last = config.n_sample_total - (config.max_step - config.step) * config.n_sample
        assert 0.65 <= last / config.n_sample_total <= 0.70 and round(last / config.n_sample) == times

"""The form of all settings."""

import dataclasses

import pytest

from sgan.config import ConfigError, TrainConfig
from sgan.panel import ConfigForm
from sgan.panel.form import ResolutionTable
from sgan.presets import PRESETS


def test_every_setting_has_a_field_with_its_help_and_range():
    form = ConfigForm()
    for f in dataclasses.fields(TrainConfig):
        field = form.fields[f.name]
        if isinstance(field, ResolutionTable):
            assert f.metadata["help"] in field.boxes[64].tooltip
            continue
        assert field.widget.tooltip == f.metadata["help"]
        for end in ("min", "max"):
            if f.metadata[end] is not None:
                assert getattr(field.widget, end) == f.metadata[end]


@pytest.mark.parametrize("preset", PRESETS)
def test_preset_gives_its_settings(preset):
    assert ConfigForm(preset).config() == TrainConfig(**PRESETS[preset])


def test_changing_the_preset_leaves_nothing_of_the_old_one():
    form = ConfigForm("gpu", image_folder_path="faces")
    form.presets.value = "cpu"
    assert form.config() == TrainConfig(**PRESETS["cpu"], image_folder_path="faces")


def test_form_returns_what_was_put():
    values = dict(
        batch_size={8: 32, 16: 8}, learning_rate={64: 0.001}, style_mixing=(1, 2), flip=False, precision="fp32",
        max_step=3, CUDA_VISIBLE_DEVICES="0,1", r1_gamma=2.5, balance=0.25,
    )  # fmt: skip
    config = ConfigForm("cpu", **values).config()
    assert {name: getattr(config, name) for name in values} == values


def test_form_tells_what_cannot_work():
    form = ConfigForm("cpu")
    form.fields["step"].put(8)
    with pytest.raises(ConfigError, match="max_step is 4, below step 8"):
        form.config()
    assert "max_step is 4, below step 8" in form.message.value
    form.fields["step"].put(1)
    assert "8 px (batch 16)" in form.message.value
    form.fields["learning_rate"].boxes[64].value = "fast"
    with pytest.raises(ConfigError, match="learning_rate.*fast"):
        form.config()


def test_form_refuses_a_name_that_is_no_setting():
    with pytest.raises(ConfigError, match="colour is no setting"):
        ConfigForm("cpu", colour=1)


def test_values_are_checked_beside_those_that_the_form_holds():
    form = ConfigForm("gpu")
    form.put(step=6)  # max_step is 6 there, and 4 by default
    assert form.config().step == 6
    form.put(max_step=7, step=7)
    form.fields["learning_rate"].boxes[64].value = "fast"
    form.put(step=5)  # a box that holds no number is told, but not in the way
    assert "fast" in form.message.value
    form.fields["learning_rate"].boxes[64].value = ""
    assert form.config().step == 5


def test_a_form_goes_on_checking_after_a_value_was_refused():
    form = ConfigForm("cpu")
    with pytest.raises(ConfigError, match="max_step is 3, below step 4"):
        form.put(seed=7, max_step=3, step=4)
    assert form.config() == ConfigForm("cpu").config()
    form.fields["step"].put(8)
    assert "max_step is 4, below step 8" in form.message.value
    form.presets.value = "gpu"
    assert "max_step is 6, below step 8" in form.message.value

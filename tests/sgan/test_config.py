"""Facts of the settings: schedule, tables by resolution, ranges."""

import dataclasses

import pytest

import sgan
from sgan.config import ConfigError, HParams, ModelConfig, TrainConfig, from_dict, parse_by_resolution, to_dict

PUBLIC_NAMES = [
    "n_gpu",
    "device",
    "learning_rate",
    "batch_size",
    "mini_batch_size",
    "n_fc",
    "dim_latent",
    "dim_input",
    "n_sample",
    "n_sample_total",
    "DGR",
    "n_show_loss",
    "step",
    "max_step",
    "style_mixing",
    "image_folder_path",
    "save_folder_path",
    "is_train",
    "is_continue",
    "CUDA_VISIBLE_DEVICES",
    "seed",
    "save_every",
    "resume_from",
]


def test_every_public_parameter_is_a_documented_field():
    known = {f.name: f for f in dataclasses.fields(TrainConfig)}
    assert all(known[name].metadata["help"] for name in PUBLIC_NAMES)


def test_schedule_grows_and_fades():
    config = TrainConfig(step=1, max_step=3, n_sample=100)
    assert config.schedule(0) == (1, 1.0)
    assert config.schedule(99) == (1, 1.0)
    assert config.schedule(100) == (2, 0.0)
    assert config.schedule(150) == (2, 0.5)
    assert config.schedule(225) == (3, 0.25)
    assert config.schedule(10_000) == (3, 1.0)


def test_full_resolution_from_the_start():
    config = TrainConfig(step=4, max_step=4, n_sample=100)
    assert {config.schedule(nimg) for nimg in (0, 50, 150, 10**7)} == {(4, 1.0)}


def test_tables_by_resolution():
    assert parse_by_resolution("64:0.002, 128:0.0015") == {64: 0.002, 128: 0.0015}
    assert parse_by_resolution('{"8": 16}') == {8: 16}
    assert parse_by_resolution("0.001")[1024] == 0.001
    assert parse_by_resolution({"8": 2.0}) == {8: 2}
    for wrong in ("63:1", "64=1", "a:b", "{"):
        with pytest.raises(ValueError):
            parse_by_resolution(wrong)


def test_learning_rate_and_batch_size_by_resolution():
    config = TrainConfig(learning_rate={64: 0.1}, batch_size={64: 8}, mini_batch_size=5)
    assert config.learning_rate_at(64) == 0.1 and config.learning_rate_at(32) == 0.002
    assert config.batch_size_at(64) == 8 and config.batch_size_at(32) == 5


def test_r1_gamma_rule():
    assert HParams().r1_gamma_at(256, 16) == pytest.approx(0.0002 * 256**2 / 16)
    assert HParams(r1_gamma=3.0).r1_gamma_at(256, 16) == 3.0
    assert HParams().r1_reason(64, 16).startswith("r1_gamma is 0.0512 at 64 pixels: 0.0002 * 64^2 / 16, the rule of")


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        (dict(max_step=1, step=3), "max_step"),
        (dict(mini_batch_size=0), "mini_batch_size"),
        (dict(batch_size={64: 0}), "batch_size"),
        (dict(learning_rate={64: -1.0}), "learning_rate"),
        (dict(learning_rate={63: 1.0}), "learning_rate"),
        (dict(learning_rate={64: float("nan")}), "learning_rate"),
        (dict(dim_input=6), "dim_input"),
        (dict(dim_input=64, max_step=2), "dim_input"),
        (dict(dim_input=16, step=1), "step"),
        (dict(n_sample=0), "n_sample"),
        (dict(DGR=0), "DGR"),
        (dict(style_mixing=(9,)), "style_mixing"),
        (dict(resample="sinc"), "resample"),
        (dict(n_gpu=0), "n_gpu"),
        (dict(DGR="abc"), "DGR"),
        (dict(flip="no"), "flip"),
        (dict(r1_gamma="much"), "r1_gamma"),
        (dict(batch_size={8: 1.5}), "batch_size"),
        (dict(max_step=99), "max_step"),
    ],
)
def test_impossible_values_are_refused_by_name(wrong, name):
    with pytest.raises(ConfigError, match=name):
        TrainConfig(**wrong)


def test_halves_and_round_trip():
    config = TrainConfig(max_step=3, learning_rate={8: 0.1}, style_mixing=(1, 2))
    assert from_dict(TrainConfig, to_dict(config)) == config
    assert config.model == ModelConfig(max_step=3) and config.hparams == HParams(learning_rate={8: 0.1})


def test_live_changes_are_validated():
    assert HParams().changed({"DGR": 3}).DGR == 3
    assert HParams().changed({"learning_rate": 0.5}).learning_rate_at(256) == 0.5
    with pytest.raises(ConfigError, match="dim_latent"):
        HParams().changed({"dim_latent": 3})
    with pytest.raises(ConfigError, match="r1_gamma"):
        HParams().changed({"r1_gamma": -1})


def test_the_public_names_are_there():
    """`train` is run_training, which takes a TrainConfig; the loop below it stays sgan.training.loop.train."""
    assert all(getattr(sgan, name) is not None for name in sgan.__all__)
    assert sgan.train is sgan.run_training and sgan.TrainConfig is TrainConfig


def test_training_knows_no_classes_and_residual_generators_do_not_grow():
    with pytest.raises(ConfigError, match="c_dim"):
        TrainConfig(c_dim=2)
    with pytest.raises(ConfigError, match="g_architecture"):
        TrainConfig(g_architecture="resnet", step=1, max_step=2)


def test_fields_of_the_model_have_the_defaults_that_older_checkpoints_mean():
    config = ModelConfig()
    assert (config.arch, config.resample, config.g_architecture, config.d_architecture) == (
        "stylegan2", "fast", "skip", "resnet",
    )  # fmt: skip
    assert (config.channels_at, config.conv_clamp, config.c_dim) == ({}, 0.0, 0)

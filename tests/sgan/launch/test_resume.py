"""Runs that go on: from their own states, and from weights made elsewhere."""

import json

import pytest
import torch
from foreign_files import (
    adain_networks,
    nvidia_parts,
    rosinality_data,
    siskon_data,
    small_networks,
    torch_bytes,
    write,
    write_nvidia,
)
from small import EIGHTS

from sgan.cli.main import build_parser, make_config
from sgan.config import ConfigError, TrainConfig
from sgan.launch.resume import open_state, resume_foreign
from sgan.launch.run import run_training
from sgan.training.state import TrainState, save_state, transfer_weights
from sgan.weights.siskon import siskon_names, siskon_scale


def test_a_state_that_is_not_finite_is_passed_over(tmp_path):
    state = TrainState.create(TrainConfig(**EIGHTS, save_folder_path=str(tmp_path)))
    save_state(state, tmp_path)
    with torch.no_grad():
        state.D.b8.conv0.weight[0, 0, 0, 0] = float("nan")
    state.nimg = 8
    save_state(state, tmp_path)
    opened = open_state(state.config, torch.device("cpu"))
    assert opened.nimg == 0 and "not finite; going on from the state before it" in opened.notes[0]


def options_of(*arguments):
    return build_parser().parse_args(["train", *map(str, arguments)])


def test_resume_from_takes_the_settings_of_the_networks(snapshot):
    config = make_config(options_of("--resume_from", snapshot[0]), cuda=False)
    assert (config.resample, config.n_fc, config.dim_latent, config.max_step, config.step) == ("fir", 2, 8, 2, 2)
    lower = make_config(options_of("--resume_from", snapshot[0], "--max_step", 1), cuda=False)
    assert (lower.max_step, lower.step) == (1, 1)


@pytest.mark.parametrize("kind", ["nvidia", "rosinality", "classes", "generator alone"])
def test_fine_tuning_starts_from_the_very_networks(faces, tmp_path, kind):
    G, D = small_networks(c_dim=3 if kind == "classes" else 0)
    if kind == "rosinality":
        path = write(tmp_path / "a.pt", torch_bytes(rosinality_data(G, D)))
    else:
        path = write_nvidia(tmp_path / "a.pkl", nvidia_parts(G, None if kind == "generator alone" else D))
    options = options_of(
        "--resume_from", path, "--image_folder_path", faces, "--save_folder_path", tmp_path / "run",
        "--mini_batch_size", 4, "--n_sample_total", 4, "--device", "cpu", "--precision", "fp32",
    )  # fmt: skip
    config = make_config(options, cuda=False)
    state = TrainState.create(config)
    transfer_weights(state, path)
    ws = torch.randn(1, 6, 8)
    assert torch.equal(state.G.synthesis(ws), G.synthesis(ws)) and torch.equal(
        state.G_ema.synthesis(ws), G.synthesis(ws)
    )
    img = torch.randn(4, 3, 16, 16)
    kept = kind in ("nvidia", "rosinality")  # of classes, the discriminator becomes that of one class
    assert ((state.D(img) - D(img)).abs().max() < 1e-6) == kept
    assert any("discriminator" in note for note in state.notes) == (kind == "generator alone")
    assert any("3 classes" in note for note in state.notes) == (kind == "classes")
    assert sum("licence" in note for note in state.notes) == 1
    events = list(run_training(config))
    assert events[-1].reason == "done" and (tmp_path / "run" / "generator.safetensors").exists()


@pytest.mark.parametrize(
    ("parameters", "expected"),
    [
        ((1, 10, 0, 60, 0.6), (1, 1.0)),  # the first layer does not fade here
        ((2, 10, 100, 130, 0.3), (2, 0.3)),
        ((2, 10, 100, 700, 1), (2, 1.0)),
        ((1, 10, 0, 500, 1), (1, 1.0)),  # n_sample was larger there: the layer is done, the next comes next
    ],
)
def test_siskon_users_go_on_where_they_were(tmp_path, parameters, expected):
    G, D = adain_networks()
    write(tmp_path / "trained.pth", torch_bytes(siskon_data(G, D, parameters), legacy=True))
    options = options_of("--save_folder_path", tmp_path, "--image_folder_path", "x", "--n_sample", 100)
    config = make_config(options, cuda=False)
    assert (config.arch, config.n_fc, config.dim_latent, config.step, config.max_step) == ("stylegan", 2, 8, 1, 2)
    state = open_state(config, torch.device("cpu"))
    level, alpha = config.schedule(state.nimg)
    assert level == expected[0] and alpha == pytest.approx(expected[1], abs=0.02)
    assert state.iteration == 10
    ws = torch.randn(1, 6, 8)
    found = state.G.synthesis(ws, step=level, alpha=alpha, noise_mode="none")
    assert (found - G.synthesis(ws, step=level, alpha=alpha, noise_mode="none")).abs().max() < 1e-5
    img = torch.randn(4, 3, 4 * 2**level, 4 * 2**level)
    assert (state.D(img, step=level, alpha=alpha) - D(img, step=level, alpha=alpha)).abs().max() < 1e-5


def test_siskon_optimisers_come_along(tmp_path):
    """Adam on our parameters p = s q with the moments of q moves p by s times what it would move q."""
    G, D = adain_networks()
    data = siskon_data(G, D, (2, 10, 0, 500, 1))
    q = {name: torch.nn.Parameter(tensor.clone()) for name, tensor in data["generator"].items()}
    groups = [[q[name] for name in q if name.startswith(prefix)] for prefix in ("convs.", "to_rgbs.", "fcs.")]
    optimiser = torch.optim.Adam([{"params": group} for group in groups], lr=0.001, betas=(0.0, 0.99))
    gradients = {name: torch.randn_like(tensor) for name, tensor in q.items()}
    for name, parameter in q.items():
        parameter.grad = gradients[name].clone()
    optimiser.step()
    data["g_optim"], data["generator"] = optimiser.state_dict(), {name: tensor.detach() for name, tensor in q.items()}
    path = write(tmp_path / "trained.pth", torch_bytes(data, legacy=True))
    config = TrainConfig(arch="stylegan", max_step=2, step=1, n_fc=2, dim_latent=8, channel_base=64, channel_max=8)
    state = resume_foreign(config, path)
    assert len(state.G_opt.state) == len(q) and not state.D_opt.state
    for name in ("convs.1.conv2.conv.weight_orig", "fcs.mapping.1.linear.weight_orig", "fcs.mapping.1.linear.bias"):
        ours = next(key for key, theirs in siskon_names(G.config).items() if theirs == name)
        scale, parameter = siskon_scale(ours), dict(state.G.named_parameters())[ours]
        found = state.G_opt.state[parameter]
        assert torch.allclose(found["exp_avg"], gradients[name] / scale, rtol=1e-5)
        assert torch.allclose(found["exp_avg_sq"], gradients[name].square() * 0.01 / scale**2, rtol=1e-4)
        assert found["step"] == 1


def test_siskon_training_goes_on_and_then_from_its_own_states(faces, tmp_path):
    G, D = adain_networks()
    write(tmp_path / "trained.pth", torch_bytes(siskon_data(G, D, (2, 10, 100, 150, 0.5))))
    flags = ["--save_folder_path", tmp_path, "--image_folder_path", faces, "--n_sample", 100, "--mini_batch_size", 4]
    flags += ["--device", "cpu", "--precision", "fp32"]
    config = make_config(options_of(*flags, "--n_sample_total", 158), cuda=False)
    assert list(run_training(config))[-1].nimg == 158
    assert json.loads((tmp_path / "config.json").read_text())["arch"] == "stylegan"
    again = make_config(options_of(*flags, "--n_sample_total", 162), cuda=False)
    assert list(run_training(again))[-1].nimg == 162


def test_settings_that_do_not_fit_are_named(tmp_path):
    G, D = adain_networks()
    path = write(tmp_path / "trained.pth", torch_bytes(siskon_data(G, D, (2, 10, 0, 0, 1))))
    fitting = dict(arch="stylegan", max_step=2, n_fc=2, dim_latent=8)
    for wrong in (dict(arch="stylegan2"), dict(n_fc=3), dict(dim_latent=16), dict(max_step=1)):
        with pytest.raises(ConfigError, match=next(iter(wrong))):
            resume_foreign(TrainConfig(**{**fitting, **wrong}), path)

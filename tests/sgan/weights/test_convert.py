"""Checkpoints out, and trainings that go on from weights made elsewhere; by the command line where it has one."""

import json
import sys

import numpy as np
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
from PIL import Image

from provenance import read_mark
from sgan import viz
from sgan.cli.main import build_parser, main, make_config
from sgan.config import ConfigError, TrainConfig
from sgan.launch.resume import resume_foreign
from sgan.launch.run import open_state, run_training
from sgan.training.state import TrainState, load_state, transfer_weights
from sgan.weights.checkpoint import load_generator, read_header
from sgan.weights.formats import CheckpointError, read_foreign
from sgan.weights.siskon import siskon_names, siskon_scale

Z = torch.ones(1, 8)
WIDE = dict(max_step=1, n_fc=1, channel_base=16384, channel_max=512)  # as narrow as rosinality's program can be


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory):
    """(path, G, D): a snapshot pickle."""
    G, D = small_networks()
    return write_nvidia(tmp_path_factory.mktemp("snapshot") / "network.pkl", nvidia_parts(G, D)), G, D


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("faces")
    for i in range(4):
        pixels = np.random.RandomState(i).randint(0, 255, (16, 16, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / f"{i}.png")
    return folder


def test_into_our_format_with_the_discriminator(snapshot, tmp_path, capsys):
    path, G, D = snapshot
    assert main(["convert", str(path), str(tmp_path / "state.safetensors")]) == 0
    out = capsys.readouterr()
    assert "--resume_from" in out.out and out.err.count("\n") == 1 and "licence" in out.err
    state = load_state(tmp_path / "state.safetensors")
    img = torch.randn(4, 3, 16, 16)
    assert torch.equal(state.G_ema(Z), G(Z)) and torch.equal(state.G(Z), G(Z))
    assert (state.D(img) - D(img)).abs().max() < 1e-6
    assert (state.config.step, state.config.resample, state.nimg) == (2, "fir", 0)
    assert "NVIDIA" in read_header(tmp_path / "state.safetensors")[1]["source"]
    assert torch.equal(load_generator(tmp_path / "state.safetensors")(Z), G(Z))


def test_into_our_format_without(snapshot, tmp_path):
    path, G, _ = snapshot
    assert main(["convert", str(path), str(tmp_path / "g.safetensors"), "--generator_only"]) == 0
    assert read_header(tmp_path / "g.safetensors")[1]["kind"] == "generator"
    assert torch.equal(load_generator(tmp_path / "g.safetensors")(Z), G(Z))


def test_rosinality_to_ours_and_back_tensor_by_tensor(tmp_path):
    G, D = small_networks(**WIDE)
    data = rosinality_data(G, D)
    write(tmp_path / "in.pt", torch_bytes(data))
    assert main(["convert", str(tmp_path / "in.pt"), str(tmp_path / "ours.safetensors")]) == 0
    assert main(["convert", str(tmp_path / "ours.safetensors"), str(tmp_path / "out.pt")]) == 0
    back = torch.load(tmp_path / "out.pt", weights_only=True)
    for part in ("g_ema", "g", "d"):
        for name, tensor in data[part].items():
            assert torch.equal(back[part][name], tensor), name
    assert torch.equal(back["latent_avg"], data["latent_avg"])
    assert {name for name in back["g_ema"] if name.endswith("kernel")} == {
        "convs.0.conv.blur.kernel", "to_rgbs.0.upsample.kernel",
    }  # fmt: skip
    learned = [name for name in back["g"] if "kernel" not in name and "noises" not in name]
    assert len(back["g_optim"]["param_groups"][0]["params"]) == len(learned)


@pytest.mark.parametrize(
    ("values", "word"),
    [
        (dict(resample="fast"), "resample"),
        (dict(), "feature maps"),
        (dict(g_architecture="resnet", **WIDE), "g_architecture"),
        (dict(arch="stylegan", resample="fast"), "arch"),
    ],
)
def test_what_rosinality_cannot_compute_is_refused_by_name(tmp_path, capsys, values, word):
    from sgan.weights.checkpoint import save_generator

    G, _ = small_networks(**values)
    save_generator(G, tmp_path / "a.safetensors", {})
    assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "b.pt")]) == 1
    assert word in capsys.readouterr().err and not (tmp_path / "b.pt").exists()


@pytest.mark.slow
@pytest.mark.parametrize("values", [dict(resample="fast"), dict(c_dim=2), dict(arch="stylegan", resample="fast")])
def test_onnx_draws_the_same_picture(tmp_path, capsys, values):
    onnxruntime = pytest.importorskip("onnxruntime")
    pytest.importorskip("onnxscript")
    from sgan.weights.checkpoint import save_generator

    G, _ = small_networks(**values)
    save_generator(G, tmp_path / "a.safetensors", {})
    assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "a.onnx")]) == 0
    assert "opset" in capsys.readouterr().out
    session = onnxruntime.InferenceSession(tmp_path / "a.onnx", providers=["CPUExecutionProvider"])
    z = torch.randn(3, 8)
    feed = {"z": z.numpy(), "truncation_psi": np.array(0.5, np.float32)}
    c = torch.eye(2)[[0, 1, 1]] if values.get("c_dim") else None
    found = session.run(None, feed | ({} if c is None else {"c": c.numpy()}))[0]
    expected = G(z, 0.5, c=c).detach().numpy()
    assert np.abs(found - expected).max() < 1e-3 * np.ptp(expected)


def test_onnx_without_its_packages_says_what_to_install(snapshot, tmp_path, capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "onnx", None)
    assert main(["convert", str(snapshot[0]), str(tmp_path / "a.onnx")]) == 1
    assert "pip install" in capsys.readouterr().err


@pytest.mark.parametrize(("target", "code"), [("a.xyz", 2), ("network.pkl", 2), ("missing/../a.safetensors", 0)])
def test_exit_codes_of_convert(snapshot, tmp_path, capsys, target, code):
    (tmp_path / "missing").mkdir()
    assert main(["convert", str(snapshot[0]), str(tmp_path / target)]) == code
    assert ("error: " in capsys.readouterr().err) == (code > 0)


def test_a_file_does_not_overwrite_itself(snapshot, tmp_path, capsys):
    main(["convert", str(snapshot[0]), str(tmp_path / "a.safetensors"), "--generator_only"])
    before = (tmp_path / "a.safetensors").read_bytes()
    assert main(["convert", str(tmp_path / "a.safetensors"), str(tmp_path / "a.safetensors")]) == 2
    assert (tmp_path / "a.safetensors").read_bytes() == before
    assert "another" in capsys.readouterr().err


def test_damaged_files_end_commands_in_one_line(tmp_path, capsys):
    bad = write(tmp_path / "bad.pkl", b"\x80\x04cos\nsystem\n.")
    for command in (
        ["convert", str(bad), str(tmp_path / "a.safetensors")],
        ["sample", "--checkpoint", str(bad), "--device", "cpu", "--out", str(tmp_path / "out")],
        ["train", "--resume_from", str(bad), "--image_folder_path", str(tmp_path), "--device", "cpu"],
    ):
        assert main(command) == 1
        err = capsys.readouterr().err
        assert err.startswith("error: ") and err.count("\n") == 1 and "os.system" in err


# ---- sampling ----


def test_sample_from_a_foreign_file(snapshot, tmp_path, capsys):
    path, G, _ = snapshot
    arguments = ["sample", "--checkpoint", str(path), "--seeds", "0-2", "--device", "cpu", "--out", str(tmp_path)]
    assert main(arguments) == 0
    out = capsys.readouterr()
    assert out.err.count("licence") == 1 and "16x16" in out.out
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "grid.png", "seed0000.png", "seed0001.png", "seed0002.png",
    ]  # fmt: skip


def test_classes_by_flag(tmp_path, capsys):
    G, _ = small_networks(c_dim=3)
    path = write_nvidia(tmp_path / "classes.pkl", nvidia_parts(G, None))
    base = ["sample", "--checkpoint", str(path), "--seeds", "1", "--device", "cpu", "--out"]
    pictures = []
    for index in ("0", "2"):
        assert main([*base, str(tmp_path / f"{index}.png"), "--class", index]) == 0
        pictures.append(np.asarray(Image.open(tmp_path / f"{index}.png")))
        assert read_mark(tmp_path / f"{index}.png").settings["class"] == int(index)
    assert (pictures[0] != pictures[1]).any()
    capsys.readouterr()
    assert main([*base, str(tmp_path / "x.png"), "--class", "3"]) == 2
    assert "0 to 2" in capsys.readouterr().err
    assert main([*base, str(tmp_path / "d.png")]) == 0
    assert "--class" in capsys.readouterr().err
    assert (np.asarray(Image.open(tmp_path / "d.png")) == pictures[0]).all()


def test_one_class_by_convert_keeps_the_discriminator(tmp_path, capsys):
    G, D = small_networks(c_dim=3)
    path, c = write_nvidia(tmp_path / "classes.pkl", nvidia_parts(G, D)), torch.eye(3)[[2]]
    assert main(["convert", str(path), str(tmp_path / "all.safetensors")]) == 0
    assert "--class N" in capsys.readouterr().err
    assert torch.equal(load_generator(tmp_path / "all.safetensors")(Z, c=c), G(Z, c=c))
    assert main(["convert", str(path), str(tmp_path / "two.safetensors"), "--class", "2"]) == 0
    state = load_state(tmp_path / "two.safetensors")
    assert (state.G_ema(Z) - G(Z, c=c)).abs().max() < 1e-5 and state.config.c_dim == 0
    assert main(["convert", str(path), str(tmp_path / "x.safetensors"), "--class", "3"]) == 2
    assert "classes 0 to 2" in capsys.readouterr().err
    G, _ = small_networks()
    plain = write_nvidia(tmp_path / "plain.pkl", nvidia_parts(G, None))
    assert main(["convert", str(plain), str(tmp_path / "x.safetensors"), "--class", "0"]) == 2
    assert "no classes" in capsys.readouterr().err


def test_a_class_is_refused_where_there_are_none(snapshot, tmp_path, capsys):
    command = ["sample", "--checkpoint", str(snapshot[0]), "--seeds", "1", "--out", str(tmp_path / "a.png")]
    assert main([*command, "--device", "cpu", "--class", "0"]) == 2
    assert "no classes" in capsys.readouterr().err


def test_the_grid_of_many_faces_stays_small(snapshot, tmp_path, monkeypatch):
    monkeypatch.setattr(viz, "GRID_SIDE", 48)
    main(["sample", "--checkpoint", str(snapshot[0]), "--seeds", "0-8", "--resolution", "64", "--out", str(tmp_path)])
    assert Image.open(tmp_path / "grid.png").size == (48, 48)
    assert Image.open(tmp_path / "seed0003.png").size == (64, 64)


# ---- training on ----


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


def test_positions_that_make_no_sense_are_refused(tmp_path):
    G, D = adain_networks()
    for parameters in ((9, 0, 0, 0, 1), (-1, 0, 0, 0, 1), (1, 0, 0, float("nan"), 1), ("a", 0, 0, 0, 1)):
        path = write(tmp_path / "trained.pth", torch_bytes(siskon_data(G, D, parameters)))
        with pytest.raises(CheckpointError, match=r"trained\.pth"):
            read_foreign(path)


def test_training_knows_no_classes_and_residual_generators_do_not_grow():
    with pytest.raises(ConfigError, match="c_dim"):
        TrainConfig(c_dim=2)
    with pytest.raises(ConfigError, match="g_architecture"):
        TrainConfig(g_architecture="resnet", step=1, max_step=2)

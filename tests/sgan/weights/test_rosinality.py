"""rosinality's files, in and out."""

from collections import OrderedDict

import pytest
import torch
from foreign_files import (
    adain_networks,
    rosinality_data,
    siskon_data,
    small_networks,
    torch_bytes,
    write,
)

from sgan.cli.main import main
from sgan.weights.checkpoint import load_generator

WIDE = dict(max_step=1, n_fc=1, channel_base=16384, channel_max=512)  # as narrow as rosinality's program can be


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


def test_dataparallel_names_and_bare_state_dicts(tmp_path):
    G, D = adain_networks()
    data = siskon_data(G, D, (2, 9, 0, 9, 1))
    data["generator"] = {f"module.{name}": tensor for name, tensor in data["generator"].items()}
    assert load_generator(write(tmp_path / "a", torch_bytes(data))).config.arch == "stylegan"
    G, _ = small_networks()
    bare = rosinality_data(G)["g_ema"]
    assert load_generator(write(tmp_path / "b", torch_bytes(OrderedDict(bare)))).config.arch == "stylegan2"


def test_stored_noise_may_be_missing(tmp_path):
    G, _ = small_networks()
    data = rosinality_data(G)
    data["g_ema"] = {name: tensor for name, tensor in data["g_ema"].items() if not name.startswith("noises.")}
    a, b = (load_generator(write(tmp_path / "a", torch_bytes(data))) for _ in range(2))
    z = torch.ones(1, 8)
    assert (a(z, noise_mode="none") - G(z, noise_mode="none")).abs().max() < 1e-5
    assert torch.equal(a(z), b(z)) and not torch.allclose(a(z), a(z, noise_mode="none"), atol=1e-3)

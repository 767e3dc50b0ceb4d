"""NVIDIA's networks: all their configurations, and what is refused."""

import sys
import types
from collections import OrderedDict

import numpy as np
import pytest
import torch
from foreign_files import (
    Persistent,
    class_tensors,
    nvidia_parts,
    persistent_network,
    small_networks,
    write_nvidia,
)

from sgan.config import ConfigError
from sgan.networks.generator import Discriminator, Generator
from sgan.weights.checkpoint import load_generator
from sgan.weights.formats import CheckpointError, read_foreign
from sgan.weights.nvidia import choose_class


def test_residual_bounded_and_classed_networks(tmp_path):
    G, _ = small_networks(g_architecture="resnet", conv_clamp=0.5, c_dim=3)
    found = load_generator(write_nvidia(tmp_path / "a", nvidia_parts(G, None, bound=0.5)))
    z, c = torch.randn(2, 8), torch.eye(3)[:2]
    assert (found(z, c=c) - G(z, c=c)).abs().max() < 1e-5
    assert found.config.c_dim == 3 and found.config.conv_clamp == 0.5
    found.mapping.label = 2
    assert not torch.allclose(found(z), found(z, c=c), atol=1e-4)


@pytest.mark.parametrize(
    "values",
    [
        dict(g_architecture="orig", d_architecture="orig"),
        dict(d_architecture="skip"),
        dict(dim_z=5),
        dict(dim_z=12, c_dim=3, g_architecture="orig"),
    ],
)
def test_the_other_configurations_of_that_program(tmp_path, values):
    G, D = small_networks(**values)
    path = write_nvidia(tmp_path / "a", nvidia_parts(G, D))
    found, z = load_generator(path), torch.randn(2, G.config.z_dim)
    assert (found(z) - G(z)).abs().max() < 1e-5
    ours, theirs = found.config, G.config
    assert (ours.g_architecture, ours.z_dim, ours.c_dim) == (theirs.g_architecture, theirs.z_dim, theirs.c_dim)
    if not theirs.c_dim:
        weights = read_foreign(path)
        other = Discriminator(weights.config)
        other.load_state_dict(weights.networks["D"], strict=False)
        img = torch.randn(4, 3, 16, 16)
        assert weights.config.d_architecture == theirs.d_architecture
        assert (other(img) - D(img)).abs().max() < 1e-5


def logits_of_class(D, tensors, index, img):
    """Projection of the discriminator's features on an embedded class, as arXiv 2006.06676, appendix F.1, has it."""
    features = []
    handle = D.b4.out.register_forward_pre_hook(lambda module, args: features.append(args[0]))
    D(img)
    handle.remove()
    normalize = lambda x: x / (x.square().mean() + 1e-8).sqrt()  # noqa: E731
    label = torch.eye(tensors["mapping.embed.weight"].shape[1])[index]
    x = normalize(tensors["mapping.embed.weight"] @ label / len(label) ** 0.5 + tensors["mapping.embed.bias"])
    for i in range(2):
        weight, bias = tensors[f"mapping.fc{i}.weight"], tensors[f"mapping.fc{i}.bias"]
        x = torch.nn.functional.leaky_relu(weight @ x * (0.01 / len(x) ** 0.5) + bias * 0.01, 0.2) * 2**0.5
    weight, bias = tensors["b4.out.weight"], tensors["b4.out.bias"]
    return (features[0] @ weight.t() / weight.shape[1] ** 0.5 + bias) @ x / len(x) ** 0.5


@torch.no_grad()
def test_one_class_of_a_network_with_classes_is_a_network_without(tmp_path):
    G, D = small_networks(c_dim=3, dim_z=5)
    weights = read_foreign(write_nvidia(tmp_path / "a", nvidia_parts(G, D)))
    z, img = torch.randn(2, 5), torch.randn(4, 3, 16, 16)
    for index in range(3):
        chosen = choose_class(weights, index, "x")
        g, d = Generator(chosen.config), Discriminator(chosen.config)
        g.load_state_dict(chosen.networks["G_ema"])
        d.load_state_dict(chosen.networks["D"], strict=False)
        assert (g(z) - G(z, c=torch.eye(3)[[index, index]])).abs().max() < 1e-5
        expected = logits_of_class(D, class_tensors(D.config), index, img)
        assert expected.std() > 0.001 and (d(img) - expected).abs().max() < 1e-5
    with pytest.raises(ConfigError, match="0 to 2"):
        choose_class(weights, 3, "x")


def test_a_mapping_of_another_learning_rate_is_rescaled(tmp_path):
    G, _ = small_networks()
    parts = nvidia_parts(G, None)
    mapping = parts["G_ema"].state["_modules"]["mapping"].state["_modules"]
    for i in range(2):
        layer = mapping[f"fc{i}"].state
        layer["weight_gain"] = float(1.0 / 8**0.5)  # a multiplier of 1
        layer["_parameters"] = {k: torch.nn.Parameter(v * 0.01) for k, v in layer["_parameters"].items()}
    found = load_generator(write_nvidia(tmp_path / "a", {"G_ema": parts["G_ema"]}))
    assert torch.allclose(found.mapping(torch.ones(1, 8)), G.mapping(torch.ones(1, 8)), atol=1e-5)


def test_networks_without_noise_draw_alike_in_every_mode(tmp_path):
    G, _ = small_networks()
    tensors = {k: v for k, v in G.state_dict().items() if "noise" not in k}
    found = load_generator(write_nvidia(tmp_path / "a", {"G_ema": persistent_network(tensors)}))
    z = torch.ones(1, 8)
    assert torch.equal(found(z, noise_mode="const"), found(z, noise_mode="none"))
    assert (found(z) - G(z, noise_mode="none")).abs().max() < 1e-5


def test_what_else_stands_in_a_snapshot(tmp_path, monkeypatch):
    """Settings in that program's own dictionaries, arrays, devices, sets and hooks are read and left alone."""
    module = types.ModuleType("dnnlib.util")
    module.EasyDict = type("EasyDict", (dict,), {"__module__": "dnnlib.util"})
    monkeypatch.setitem(sys.modules, "dnnlib", types.ModuleType("dnnlib"))
    monkeypatch.setitem(sys.modules, "dnnlib.util", module)
    G, _ = small_networks()
    parts = nvidia_parts(G, None)
    parts["G_ema"].state.update(
        _init_kwargs=module.EasyDict(a=module.EasyDict(b=[1, 2])), _backward_hooks=OrderedDict(), _used={"x", "y"},
        frozen=frozenset([1]), array=np.arange(3.0), number=np.float32(2), whole=np.int64(-3), flag=np.bool_(True),
        device=torch.device("cpu"), size=torch.Size([1, 2]), dtype=torch.float32,
    )  # fmt: skip
    pipe = Persistent("AugmentPipe", dict(_parameters={}, _buffers={"p": torch.zeros([])}, _modules={}))
    for protocol in range(2, 6):
        path = write_nvidia(tmp_path / "a", {**parts, "augment_pipe": pipe}, protocol)
        assert torch.equal(load_generator(path)(torch.ones(1, 8)), G(torch.ones(1, 8)))


def test_a_discriminator_of_another_kind_is_left_out_with_a_reason(tmp_path):
    G, D = small_networks()
    parts = nvidia_parts(G, D)
    parts["D"].state["_modules"]["b4"].state["_modules"]["mbstd"].state["num_channels"] = 2
    found = read_foreign(write_nvidia(tmp_path / "a", parts))
    assert "D" not in found.networks and "discriminator" in found.notes[0]


def stylegan3():
    layers = {"input": Persistent("SynthesisInput", dict(_modules={})), "L0_36_512": Persistent("L", dict(_modules={}))}
    synthesis = Persistent("SynthesisNetwork", dict(_modules=layers, size=np.array([4, 4])))
    return {"G_ema": Persistent("Generator", dict(_parameters={}, _buffers={}, _modules={"synthesis": synthesis}))}


def test_a_stylegan3_network_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="StyleGAN3"):
        load_generator(write_nvidia(tmp_path / "a.pkl", stylegan3()))

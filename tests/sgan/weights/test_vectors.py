"""Three other programs computed these figures from tensors filled by a formula; ours agree, read from their own files.

tests/vectors holds one NPZ of outputs and one JSON of tensor shapes for each. A tensor named k is filled from
numpy.random.default_rng(crc32(k)), times 0.1 where that keeps the networks in a normal range.
"""

import json
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from foreign_files import fir, persistent_network, small_networks, torch_bytes, write_nvidia

from sgan.config import ModelConfig
from sgan.networks.generator import Discriminator, Generator
from sgan.weights.formats import read_foreign

VECTORS = Path(__file__).parents[2] / "vectors"


def filled(shapes, small):
    """Tensors by name; `small(name)` says which are multiplied by 0.1."""
    tensors = {}
    for name, shape in shapes.items():
        if name.endswith("resample_filter"):
            tensors[name] = fir()
        elif name.endswith("kernel"):
            tensors[name] = fir() * (1 if ".conv2.0." in name or ".skip.0." in name else 4)
        else:
            values = np.random.default_rng(zlib.crc32(name.encode())).standard_normal(shape).astype(np.float32)
            tensors[name] = torch.from_numpy(np.asarray(values * np.float32(0.1) if small(name) else values))
    return tensors


def vectors(name):
    """(shapes, outputs as tensors)."""
    with np.load(VECTORS / f"{name}.npz") as file:
        outputs = {key: torch.from_numpy(file[key]) for key in file.files}
    return json.loads((VECTORS / f"{name}.json").read_text()), outputs


def networks(foreign):
    """(G, D) of a file that was read."""
    G, D = Generator(foreign.config).eval(), Discriminator(foreign.config).eval()
    G.load_state_dict(foreign.networks.get("G_ema") or foreign.networks["G"])
    D.load_state_dict(foreign.networks["D"], strict=False)  # the others know one colour layer, ours one per resolution
    return G, D


def discriminator_input():
    return torch.from_numpy(np.random.default_rng(2).uniform(-1, 1, (4, 3, 64, 64)).astype(np.float32))


def assert_w(found, expected):
    assert (found - expected).abs().max() <= 1e-5 * expected.abs().max()


def assert_images(found, expected):
    assert (found - expected).abs().max() <= (expected.max() - expected.min()) / 255 / 20


def assert_logits(found, expected):
    assert (found - expected.flatten()).abs().max() <= 1e-4


@torch.no_grad()
def test_nvidia_stylegan2(tmp_path):
    shapes, expected = vectors("nvidia_stylegan2_64")
    small = lambda name: name.endswith(("noise_strength", ".bias", "w_avg"))  # noqa: E731
    g = persistent_network(filled(shapes["G_state"], small))
    d = persistent_network(filled(shapes["D_state"], small), {"b4.mbstd": dict(group_size=4, num_channels=1)})
    G, D = networks(read_foreign(write_nvidia(tmp_path / "network.pkl", {"G": g, "D": d, "G_ema": g})))
    assert_w(G.mapping(expected["z"]), expected["ws"])
    assert_w(G.mapping(expected["z"], truncation_psi=0.5), expected["ws_psi_half"])
    assert_images(G(expected["z"], noise_mode="const"), expected["img_noise_const"])
    assert_images(G(expected["z"], 0.5, noise_mode="none"), expected["img_psi_half_noise_none"])
    assert_logits(D(discriminator_input()), expected["d_logits"])


@torch.no_grad()
def test_rosinality_stylegan2(tmp_path):
    shapes, expected = vectors("rosinality_stylegan2_64")
    data = {
        "g_ema": filled(shapes["g_ema"], lambda name: name.endswith("bias") or "noise.weight" in name),
        "d": filled(shapes["d"], lambda name: name.endswith("bias")),
        "latent_avg": expected["latent_avg"],
    }
    path = tmp_path / "network.pt"
    path.write_bytes(torch_bytes(data))
    G, D = networks(read_foreign(path))
    assert_w(G.mapping(expected["z"])[:, 0], expected["w"])
    assert_images(G(expected["z"]), expected["img_noise_const"])
    assert_images(G(expected["z"], 0.5), expected["img_psi_half"])
    assert_logits(D(discriminator_input()), expected["d_logits"])


@torch.no_grad()
def test_siskon_stylegan(tmp_path):
    shapes, expected = vectors("siskon_stylegan_64")
    data = {
        "generator": filled(shapes["generator"], lambda name: name.endswith("bias") or "noise" in name),
        "discriminator": filled(shapes["discriminator"], lambda name: name.endswith("bias")),
        "parameters": (4, 1000, 0, 0, 1),
    }
    path = tmp_path / "trained.pth"
    path.write_bytes(torch_bytes(data, legacy=True))
    foreign = read_foreign(path)
    G, D = networks(foreign)
    assert (foreign.step, foreign.config.max_step) == (4, 8)
    ws = G.mapping(expected["z"])
    assert_w(ws[:, 0], expected["w"])
    for alpha, name in ((1.0, "img_step4"), (0.5, "img_step4_alpha_half")):
        for i in range(2):
            for m in range(5):
                noise = np.random.default_rng(100 + m).standard_normal((2, 1, 4 * 2**m, 4 * 2**m)).astype(np.float32)
                getattr(G.synthesis, f"b{4 * 2**m}").noise_const.copy_(torch.from_numpy(noise[i, 0]))
            assert_images(G.synthesis(ws[i : i + 1], step=4, alpha=alpha), expected[name][i : i + 1])
    img = discriminator_input()
    assert_logits(D(img, step=4), expected["d_logits"])
    assert_logits(D(img, step=4, alpha=0.5), expected["d_logits_alpha_half"])


def filtered(x, pad, gain):
    """x under the filter, in float64."""
    before, after = pad
    kernel = (fir().double() * gain).expand(x.shape[1], 1, 4, 4)
    return F.conv2d(F.pad(x, (before, after, before, after)), kernel, groups=x.shape[1])


def upsampled(x):
    stuffed = x.new_zeros(*x.shape[:2], 2 * x.shape[2], 2 * x.shape[3])
    stuffed[..., ::2, ::2] = x
    return filtered(stuffed, (2, 1), 4)


def textbook_layer(layer, x, w, up, gain, bound):
    """A styled convolution of arXiv 1912.04958 with a weight for every sample, in float64."""
    styles = w @ layer["affine.weight"].T / w.shape[1] ** 0.5 + layer["affine.bias"]
    out = []
    for image, style in zip(x, styles):
        weight = layer["weight"] * style[None, :, None, None]
        weight = weight * (weight.square().sum(dim=(1, 2, 3), keepdim=True) + 1e-8).rsqrt()
        if up:
            y = filtered(F.conv_transpose2d(image[None], weight.transpose(0, 1), stride=2), (1, 1), 4)
        else:
            y = F.conv2d(image[None], weight, padding=1)
        out.append(y)
    y = torch.cat(out) + layer["noise_const"] * layer["noise_strength"] + layer["bias"][:, None, None]
    return (F.leaky_relu(y, 0.2) * 2**0.5 * gain).clamp(-bound * gain, bound * gain)


def textbook_residual(G, ws, bound):
    """The residual generator (arXiv 1912.04958, figure 7c) in float64."""
    state = {name.removeprefix("synthesis."): tensor.double() for name, tensor in G.state_dict().items()}
    part = lambda path: {n[len(path) + 1 :]: t for n, t in state.items() if n.startswith(path + ".")}  # noqa: E731
    ws, x, index = ws.double(), state["b4.const"][None].repeat(len(ws), 1, 1, 1), 1
    x = textbook_layer(part("b4.conv1"), x, ws[:, 0], False, 1.0, bound)
    for resolution in G.config.block_resolutions[1:]:
        skip = state[f"b{resolution}.skip.weight"]
        y = upsampled(F.conv2d(x, skip / skip.shape[1] ** 0.5)) * 0.5**0.5
        x = textbook_layer(part(f"b{resolution}.conv0"), x, ws[:, index], True, 1.0, bound)
        x = y + textbook_layer(part(f"b{resolution}.conv1"), x, ws[:, index + 1], False, 0.5**0.5, bound)
        index += 2
    rgb = part(f"b{G.config.resolution}.torgb")
    styles = (ws[:, index] @ rgb["affine.weight"].T / ws.shape[2] ** 0.5 + rgb["affine.bias"]) / x.shape[1] ** 0.5
    pixels = torch.einsum("oc,nc,nchw->nohw", rgb["weight"][:, :, 0, 0], styles, x) + rgb["bias"][:, None, None]
    return pixels.clamp(-bound, bound)


@torch.no_grad()
@pytest.mark.parametrize("bound", [0.5, 256.0])
def test_a_residual_generator_and_its_bound_against_the_textbook(bound):
    G, _ = small_networks(g_architecture="resnet", conv_clamp=bound)
    ws = G.mapping(torch.randn(3, 8)) + torch.randn(3, 6, 8)
    expected = textbook_residual(G, ws, bound)
    assert (G.synthesis(ws) - expected).abs().max() < 1e-4 * expected.abs().max()
    with pytest.raises(ValueError, match="full resolution"):
        G.synthesis(ws, step=1)


@torch.no_grad()
def test_classes_enter_the_mapping_beside_z():
    G, _ = small_networks(c_dim=3)
    z, c = torch.randn(4, 8), torch.eye(3)[[0, 1, 2, 1]]
    mapping = G.mapping
    embedded = (c @ mapping.embed.weight.T / 3**0.5 + mapping.embed.bias).double()
    x = torch.cat([z.double(), embedded], dim=1).reshape(4, 2, 8)
    x = (x * (x.square().mean(dim=2, keepdim=True) + 1e-8).rsqrt()).flatten(1)
    for i in range(2):
        layer = getattr(mapping, f"fc{i}")
        y = x @ layer.weight.double().T * 0.01 / x.shape[1] ** 0.5 + layer.bias.double() * 0.01
        x = F.leaky_relu(y, 0.2) * 2**0.5
    assert_w(mapping(z, c=c)[:, 0], x)
    mapping.label = 2
    assert torch.equal(mapping(z), mapping(z, c=torch.eye(3)[[2] * 4]))


@torch.no_grad()
def test_feature_maps_are_cut_at_the_bound_in_the_discriminator():
    _, D = small_networks(conv_clamp=0.01)
    _, free = small_networks()
    img = torch.randn(4, 3, 16, 16)
    assert (D.b16.from_rgb(img).abs() <= 0.01).all()
    assert not torch.allclose(D(img), free(img), atol=1e-3)


@torch.no_grad()
def test_a_plain_discriminator_has_no_skip_and_full_gain():
    torch.manual_seed(0)
    D = Discriminator(ModelConfig(max_step=1, channel_base=64, channel_max=8, resample="fir", d_architecture="orig"))
    assert not any("skip" in name for name in D.state_dict())
    x = torch.randn(2, 8, 8, 8)
    y = F.leaky_relu(F.conv2d(x.double(), D.b8.conv0.weight.double() / 72**0.5, padding=1), 0.2) * 2**0.5
    y = F.conv2d(filtered(y, (2, 2), 1), D.b8.conv1.weight.double() / 72**0.5, stride=2)
    assert (D.b8(x) - F.leaky_relu(y, 0.2) * 2**0.5).abs().max() < 1e-5

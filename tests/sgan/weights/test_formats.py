"""Files of other programs open by their content, give the same pictures, and others are named."""

import gzip
import io
import tarfile

import numpy as np
import pytest
import torch
from foreign_files import (
    KINDS,
    nvidia_parts,
    rosinality_data,
    small_files,
    small_networks,
    torch_bytes,
    write,
    write_nvidia,
    zip_bytes,
)

import sgan
from sgan.networks.generator import Discriminator
from sgan.weights import formats
from sgan.weights.checkpoint import load_generator
from sgan.weights.formats import READERS, CheckpointError, read_foreign


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


@pytest.mark.parametrize("name", READERS)
def test_a_reader_knows_its_own_files_alone(files, name):
    data = formats._read(files[name][0])
    assert [other for other, reader in READERS.items() if reader.knows(data)] == [name]
    assert READERS[name].read(data).source == READERS[name].help and "\n" not in READERS[name].help
    assert not any(READERS[name].knows(strange) for strange in ([], {}, {"a": 1}, None, 5, "generator"))


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

"""Checkpoints out, by the command line."""

import os

import pytest
import torch
from foreign_files import (
    nvidia_parts,
    small_networks,
    write_nvidia,
)

from sgan.cli.main import main
from sgan.training.state import load_state
from sgan.weights.checkpoint import load_generator, read_header
from sgan.weights.convert import WRITERS, convert

Z = torch.ones(1, 8)


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


@pytest.mark.slow
@pytest.mark.parametrize("ending", WRITERS)
def test_a_writer_writes_one_whole_file_or_none(tmp_path, monkeypatch, ending):
    if ending == ".onnx":
        pytest.importorskip("onnxscript")
    G, D = small_networks(max_step=1, n_fc=1, channel_base=16384, channel_max=512)  # which every program can compute
    source, target = write_nvidia(tmp_path / "a", nvidia_parts(G, D)), tmp_path / "out" / f"a{ending}"
    report = convert(source, target)
    assert [path.name for path in target.parent.iterdir()] == [target.name]
    assert report.text.startswith(f"{target}: ") and "\n" not in report.text + WRITERS[ending].help

    def refuse(*_):
        raise OSError(28, "No space left on device")

    before = target.read_bytes()
    monkeypatch.setattr(os, "fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        convert(source, target, generator_only=True)
    assert [path.name for path in target.parent.iterdir()] == [target.name] and target.read_bytes() == before

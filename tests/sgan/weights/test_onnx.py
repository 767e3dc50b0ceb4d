"""Generators as ONNX programs."""

import sys

import numpy as np
import pytest
import torch
from foreign_files import (
    small_networks,
)

from sgan.cli.main import main


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

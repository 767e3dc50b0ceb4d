"""The command `metrics`."""

import json

import torch

from provenance import read_mark
from sgan.cli.main import main
from sgan.config import ModelConfig
from sgan.networks.generator import Generator
from sgan.weights.checkpoint import save_generator


def test_the_command_is_deterministic_and_writes_a_marked_sheet(forty_faces, tmp_path, capsys, monkeypatch):
    monkeypatch.setenv("RANDOM_UNREAL_FACE_CACHE", str(tmp_path / "cache"))
    torch.manual_seed(0)
    G = Generator(ModelConfig(max_step=2, channel_base=64, channel_max=8, dim_latent=8, n_fc=1))
    save_generator(G, tmp_path / "g.safetensors", {"nimg": 0, "training": {}})
    command = ["metrics", "--checkpoint", str(tmp_path / "g.safetensors"), "--image_folder_path", str(forty_faces)]
    command += ["--n", "10", "--out", str(tmp_path / "out"), "--measures", "swd", "coverage", "octaves", "nearest"]
    texts = []
    for _ in range(2):
        assert main(command) == 0
        texts.append(capsys.readouterr().out)
    assert texts[0] == texts[1] == (tmp_path / "out" / "metrics.json").read_text()
    values = json.loads(texts[0])
    assert values["resolution"] == 16 and values["n"] == 10 and values["images"] == 40
    assert 0 <= values["coverage"] <= 1 and values["swd"]["mean"] > 0
    assert read_mark(tmp_path / "out" / "nearest.png").settings["checkpoint"] == values["checkpoint"]
    assert main([*command, "--measures", "beauty"]) == 2
    assert main([*command, "--n", "1"]) == 2
    assert "n is 1; it must be between 10" in capsys.readouterr().err

"""The command `sample`, as a user runs it."""

import json

import numpy as np
from foreign_files import (
    nvidia_parts,
    small_networks,
    write_nvidia,
)
from PIL import Image
from processes import ROOT, one_sentence, real_sgan, sgan

from provenance import read_mark
from sgan import viz
from sgan.cli import main


def test_sample_writes_pictures_a_grid_and_their_marks(checkpoint, tmp_path):
    done = real_sgan("sample", "--checkpoint", checkpoint, "--seeds", "3-5,9", "--out", tmp_path / "a" / "b")
    assert done.returncode == 0, done.stderr
    names = sorted(path.name for path in (tmp_path / "a" / "b").iterdir())
    assert names == ["grid.png", "seed0003.png", "seed0004.png", "seed0005.png", "seed0009.png"]
    assert Image.open(tmp_path / "a" / "b" / "seed0003.png").size == (16, 16)
    shown = real_sgan("show", tmp_path / "a" / "b" / "seed0009.png")
    values = json.loads(shown.stdout)
    assert values["seed"] == 9 and values["truncation_psi"] == 0.7 and len(values["checkpoint"]) == 64
    assert values["DigitalSourceType"] == "trainedAlgorithmicMedia"
    alone = tmp_path / "one.png"
    assert sgan("sample", "--checkpoint", checkpoint, "--seeds", 9, "--out", alone).returncode == 0
    assert np.array_equal(np.asarray(Image.open(alone)), np.asarray(Image.open(tmp_path / "a" / "b" / "seed0009.png")))


def test_sample_mixes_styles_and_upsamples(checkpoint, tmp_path):
    done = sgan(
        "sample", "--checkpoint", checkpoint, "--seeds", "1-2", "--style_mixing", 0, 1, "--mix_seeds", "5-7",
        "--resolution", 64, "--out", tmp_path,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert "up-sampled from 16 by Lanczos" in done.stdout
    assert len(list(tmp_path.glob("seed*-mix*.png"))) == 6
    assert Image.open(tmp_path / "grid.png").size == (192, 128)
    mark = read_mark(tmp_path / "seed0001-mix0005.png").settings
    assert (mark["seed"], mark["mix_seed"], mark["style_mixing"], mark["resolution"]) == (1, 5, [0, 1], 64)


def test_sample_refuses_what_cannot_be(checkpoint, run, tmp_path):
    out = ["--out", tmp_path / "out"]
    one_sentence(sgan("sample", "--checkpoint", tmp_path / "none", *out), 1, "none", "does not exist")
    one_sentence(sgan("sample", "--checkpoint", ROOT / "README.md", *out), 1, "README.md")
    whole = (checkpoint / "generator.safetensors").read_bytes()
    (tmp_path / "cut.safetensors").write_bytes(whole[:-50])
    one_sentence(sgan("sample", "--checkpoint", tmp_path / "cut.safetensors", *out), 1, "cut.safetensors")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--seeds", "5-1", *out), 2, "5-1")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--style_mixing", 7, *out), 2, "style_mixing", "7")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--resolution", 2, *out), 2, "resolution")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--seeds", "0-3", "--out", tmp_path / "x.png"), 2, "x.png")
    (tmp_path / "file").write_text("in the way")
    one_sentence(sgan("sample", "--checkpoint", checkpoint, "--out", tmp_path / "file" / "sub"), 1, tmp_path / "file")
    assert not (tmp_path / "out").exists()


def test_sample_from_a_foreign_file(snapshot, tmp_path, capsys):
    path, G, _ = snapshot
    arguments = ["sample", "--checkpoint", str(path), "--seeds", "0-2", "--device", "cpu", "--out", str(tmp_path)]
    assert main.main(arguments) == 0
    out = capsys.readouterr()
    assert out.err.count("licence") == 1 and "16x16" in out.out
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "grid.png", "seed0000.png", "seed0001.png", "seed0002.png",
    ]  # fmt: skip


def test_classes_by_flag(tmp_path, capsys):
    G, _ = small_networks(c_dim=3)
    path = write_nvidia(tmp_path / "classes.pkl", nvidia_parts(G, None))
    base = ["sample", "--checkpoint", str(path), "--seeds", "1", "--device", "cpu", "--out"]
    pictures = []
    for index in ("0", "2"):
        assert main.main([*base, str(tmp_path / f"{index}.png"), "--class", index]) == 0
        pictures.append(np.asarray(Image.open(tmp_path / f"{index}.png")))
        assert read_mark(tmp_path / f"{index}.png").settings["class"] == int(index)
    assert (pictures[0] != pictures[1]).any()
    capsys.readouterr()
    assert main.main([*base, str(tmp_path / "x.png"), "--class", "3"]) == 2
    assert "0 to 2" in capsys.readouterr().err
    assert main.main([*base, str(tmp_path / "d.png")]) == 0
    assert "--class" in capsys.readouterr().err
    assert (np.asarray(Image.open(tmp_path / "d.png")) == pictures[0]).all()


def test_a_class_is_refused_where_there_are_none(snapshot, tmp_path, capsys):
    command = ["sample", "--checkpoint", str(snapshot[0]), "--seeds", "1", "--out", str(tmp_path / "a.png")]
    assert main.main([*command, "--device", "cpu", "--class", "0"]) == 2
    assert "no classes" in capsys.readouterr().err


def test_the_grid_of_many_faces_stays_small(snapshot, tmp_path, monkeypatch):
    monkeypatch.setattr(viz, "GRID_SIDE", 48)
    main.main(
        ["sample", "--checkpoint", str(snapshot[0]), "--seeds", "0-8", "--resolution", "64", "--out", str(tmp_path)]
    )
    assert Image.open(tmp_path / "grid.png").size == (48, 48)
    assert Image.open(tmp_path / "seed0003.png").size == (64, 64)

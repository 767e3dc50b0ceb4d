"""Named directions: kept beside a checkpoint, read back with care, used by the command line."""

import json

import numpy as np
import pytest
from foreign_files import small_networks
from PIL import Image

from provenance import read_mark
from sgan.cli.main import main
from sgan.config import ConfigError
from sgan.faces.editing import (
    DIRECTIONS_NAME,
    Edit,
    NamedDirection,
    NamedEdit,
    apply_edits,
    load_directions,
    parse_edits,
    save_directions,
    style_indices,
)
from sgan.weights.checkpoint import load_generator, save_generator


@pytest.fixture
def folder(tmp_path):
    """A folder with a checkpoint and two named directions."""
    G, _ = small_networks(resample="fast")
    save_generator(G, tmp_path / "generator.safetensors", {})
    made = load_generator(tmp_path)
    directions = [
        NamedDirection("turn", "coarse", np.eye(8, dtype=np.float32)[1], 0.5, -2.0, 3.0),
        NamedDirection("light", "middle", np.eye(8, dtype=np.float32)[2], 2.0, -1.0, 1.0),
    ]
    save_directions(tmp_path / DIRECTIONS_NAME, made.checkpoint_hash, directions, [{"found_as": "x"}, {}])
    return tmp_path


def test_named_directions_come_back(folder):
    G = load_generator(folder)
    found = load_directions(folder / "generator.safetensors", G)
    assert [(d.name, d.layers, d.deviation, d.low, d.high) for d in found] == [
        ("turn", "coarse", 0.5, -2.0, 3.0), ("light", "middle", 2.0, -1.0, 1.0),
    ]  # fmt: skip
    assert np.array_equal(found[0].vector, np.eye(8, dtype=np.float32)[1])


def test_a_named_edit_moves_the_styles_of_its_layers_alone(folder):
    G = load_generator(folder)
    ws = np.zeros((1, G.config.num_ws, 8), np.float32)
    moved = apply_edits(G, ws, [NamedEdit("turn", 3.0)], named=load_directions(folder, G))
    own = style_indices(G.config, "coarse")
    assert np.array_equal(moved[0, own], 1.5 * np.eye(8, dtype=np.float32)[[1] * len(own)])
    others = [i for i in range(G.config.num_ws) if i not in own]
    assert others and not moved[0, others].any() and not ws.any()


def test_directions_of_another_checkpoint_are_not_used(folder):
    G, _ = small_networks(resample="fast", n_fc=1)
    save_generator(G, folder / "generator.safetensors", {})
    assert load_directions(folder, load_generator(folder)) == []
    (folder / DIRECTIONS_NAME).unlink()
    assert load_directions(folder, load_generator(folder)) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda row: row.update(vector=[1.0]),
        lambda row: row.update(vector=[float("nan")] * 8),
        lambda row: row.update(vector="a"),
        lambda row: row.update(range=[0]),
        lambda row: row.update(range=[float("-inf"), 1]),
        lambda row: row.update(layers="no"),
        lambda row: row.pop("name"),
    ],
)
def test_damaged_files_are_named(folder, change):
    content = json.loads((folder / DIRECTIONS_NAME).read_text())
    change(content["directions"][1])
    (folder / DIRECTIONS_NAME).write_text(json.dumps(content))
    with pytest.raises(ValueError, match=DIRECTIONS_NAME):
        load_directions(folder, load_generator(folder))


def test_edits_are_written_by_name_or_by_how_they_were_found(folder):
    named = load_directions(folder, load_generator(folder))
    assert parse_edits(["turn=1.5", "samples.coarse.2=-1"], named) == [
        NamedEdit("turn", 1.5), Edit("samples", "coarse", 1, -1.0),
    ]  # fmt: skip
    for wrong in ("smile=1", "turn", "turn=x", "turn=nan", "samples.coarse=1", "samples.no.1=1", "=1"):
        with pytest.raises(ConfigError, match="turn .-2 to 3"):
            parse_edits([wrong], named)


def test_sample_takes_edits(folder, tmp_path, capsys):
    base = ["sample", "--checkpoint", str(folder), "--seeds", "1", "--device", "cpu", "--out"]
    assert main([*base, str(tmp_path / "plain.png")]) == 0
    assert main([*base, str(tmp_path / "turned.png"), "--edit", "turn=2", "weights.middle.1=1"]) == 0
    plain, turned = (np.asarray(Image.open(tmp_path / f"{name}.png")) for name in ("plain", "turned"))
    assert (plain != turned).any()
    assert read_mark(tmp_path / "turned.png").settings["edits"] == [
        {"name": "turn", "amount": 2.0}, {"kind": "weights", "layers": "middle", "index": 0, "amount": 1.0},
    ]  # fmt: skip
    capsys.readouterr()
    assert main([*base, str(tmp_path / "x.png"), "--edit", "smile=2"]) == 2
    assert "turn (-2 to 3)" in capsys.readouterr().err
    assert main([*base, str(tmp_path / "x.png"), "--edit", "samples.coarse.99=2"]) == 2
    assert main([*base, str(tmp_path / "x.png"), "--edit", "samples.fine.1=2"]) == 2


def test_the_panel_offers_named_directions_first(folder, tmp_path):
    from sgan.panel.faces import FacePanel

    faces = FacePanel(str(folder), tmp_path / "out", seed=3)
    face, shape = faces.face, faces.face.directions
    assert shape.kind.value == "by name" and [s.description for s in shape.sliders[:2]] == ["turn", "light"]
    assert (shape.sliders[0].min, shape.sliders[0].max) == (-2.0, 3.0)
    assert shape.sliders[2].layout.display == "none" == shape.layers.layout.display
    plain = face.picture
    shape.sliders[0].value = 2.5
    assert shape.edits() == [NamedEdit("turn", 2.5)] and not np.array_equal(face.picture, plain)
    shape.kind.value = "samples"
    assert shape.sliders[0].description == "direction 1" and shape.sliders[0].value == 0.0
    assert shape.layers.layout.display is None and shape.sliders[2].layout.display is None
    shape.kind.value = "by name"
    assert shape.sliders[0].value == 2.5
    (folder / DIRECTIONS_NAME).unlink()
    faces.load()
    assert shape.edits() == [] and shape.kind.value == "weights" and np.array_equal(face.picture, plain)

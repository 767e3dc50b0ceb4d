"""What the face panel writes."""

import numpy as np
import pytest
from PIL import Image

from provenance import GENERATED, read_mark
from sgan.cli.main import main
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.panel import FacePanel
from sgan.panel.export import EXPORTS
from sgan.training.state import TrainState, save_state
from sgan.weights.checkpoint import load_generator


def test_exports_carry_their_mark_and_the_persona_gives_the_same_face_again(faces, checkpoint, tmp_path):
    faces.face.directions.sliders[0].value = 1.5
    mark = read_mark(faces.export.write("picture"))
    assert mark.source_type == GENERATED and mark.settings["seed"] == 3 and mark.settings["edits"]
    path = faces.export.write("persona")
    assert path.stat().st_size < 20_000
    other = FacePanel(str(checkpoint), tmp_path, seed=99)
    other.load_persona(path)
    assert np.array_equal(other.face.picture, faces.face.picture)
    assert other.face.settings()["persona"]["seed"] == 3
    other.face.seed.value = 4
    assert "persona" not in other.face.settings()
    assert read_mark(faces.export.write("grid of styles")).settings["mix_seeds"] == [4, 5, 6, 7, 8]


def test_exported_generator_draws_the_same_faces(tiny_config, faces, checkpoint, tmp_path):
    path = faces.export.write("generator")
    assert path == tmp_path / "face.safetensors" and path.read_bytes() == checkpoint.read_bytes()
    faces.checkpoint.value = str(save_state(TrainState.create(tiny_config), tmp_path))
    exported = load_generator(faces.export.write("generator"))
    drawn = [next(draw_images(G, seeds_to_ws(G, [1]), "const", G.trained_step)) for G in (faces.face.G, exported)]
    assert np.array_equal(*drawn) and exported.config.max_step == faces.face.G.trained_step


def test_command_draws_the_same_persona(faces, checkpoint, tmp_path, capsys):
    faces.face.directions.sliders[2].value = -1.0
    out, persona = tmp_path / "again.png", faces.export.write("persona")
    command = ["sample", "--persona", str(persona), "--checkpoint", str(checkpoint), "--out", str(out)]
    assert main(command) == 0
    assert np.array_equal(np.asarray(Image.open(out)), faces.face.picture)
    assert read_mark(out).settings["persona"]["edits"][0]["index"] == 2
    assert main([*command[:2], str(tmp_path / "none.json"), *command[3:]]) == 1
    assert "none.json does not exist" in capsys.readouterr().err


def test_a_picture_of_a_class_comes_again_from_its_mark(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path, seed=5)
    panel.face.class_choice.value = 1
    panel.face.directions.sliders[0].value = 1.5
    made = read_mark(panel.export.write("picture")).settings
    edit = "{kind}.{layers}.1={amount}".format(**made["edits"][0])
    again = tmp_path / "again.png"
    command = ["sample", "--checkpoint", str(classes), "--seeds", str(made["seed"]), "--class", str(made["class"])]
    command += ["--truncation_psi", str(made["truncation_psi"]), "--edit", edit, "--out", str(again)]
    assert main([*command, "--device", "cpu"]) == 0
    assert np.array_equal(np.asarray(Image.open(again)), panel.face.picture)


@pytest.mark.parametrize("kind", EXPORTS)
def test_every_export_has_a_button_that_writes_its_file(kind, faces, tmp_path):
    (made,) = [part for part in faces.export.children if part.description == kind]
    assert made.tooltip == EXPORTS[kind].help and "\n" not in made.tooltip
    faces.export.name.value = "somebody"
    made.click()
    path = tmp_path / f"somebody{EXPORTS[kind].suffix}"
    assert path.stat().st_size and str(path) in faces.message.value

"""One face by seed, persona and class."""

import numpy as np
import pytest

from provenance import from_xmp, read_mark
from sgan.faces.persona import PersonaError, read_persona
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.faces.walk import XMP_BOX
from sgan.panel import FacePanel
from sgan.panel.tabs.mix import MixTab
from sgan.panel.tabs.nearest import NearestTab
from sgan.panel.tabs.walk import WalkTab
from sgan.training.state import TrainState, save_state
from sgan.weights.checkpoint import load_generator


def test_seed_and_psi_are_those_of_sampling(faces, checkpoint):
    G = load_generator(checkpoint)
    faces.face.seed.value, faces.face.psi.value = 12, 0.5
    expected = next(draw_images(G, seeds_to_ws(G, [12], 0.5)))
    assert np.array_equal(faces.face.picture, expected)
    faces.face.noise.value = False
    assert faces.face.settings()["noise_mode"] == "none"


def test_a_failure_is_forgotten_with_the_next_move_and_other_text_is_not(faces):
    faces.part(NearestTab).button.click()
    assert "give the folder" in faces.message.value
    faces.face.seed.value = 11
    assert faces.message.value == ""
    path = faces.export.write("picture")
    faces.face.seed.value = 12
    assert str(path) in faces.message.value


def test_listeners_hear_of_every_face(faces):
    heard = []
    faces.on_face(lambda picture, settings: heard.append(settings))
    faces.face.seed.value = 5
    faces.face.surprise_me()
    assert heard[0]["seed"] == 3 and heard[1]["seed"] == 5 and len(heard) >= 2


def test_persona_of_another_checkpoint_is_refused(faces, tmp_path):
    path = faces.export.write("persona")
    text = path.read_text().replace(faces.face.G.checkpoint_hash, "0" * 64)
    with pytest.raises(PersonaError, match="belongs to checkpoint 000000000000"):
        faces.face.take_persona(read_persona(text.encode()))


def test_a_candidate_is_shown_as_it_was_drawn(tiny_config, faces, tmp_path):
    faces.face.noise.value, faces.face.psi.value = False, 0.4
    (_, _), (key, picture) = faces.candidates(2)
    faces.face.noise.value, faces.face.psi.value, faces.face.directions.sliders[0].value = True, 0.9, 2.0
    faces.show_candidate(key)
    assert np.array_equal(faces.face.picture, picture) and str(key) == "seed 1"
    assert faces.face.settings() == {
        "checkpoint": faces.face.G.checkpoint_hash, "noise_mode": "none", "seed": 1, "truncation_psi": 0.4,
    }  # fmt: skip
    faces.checkpoint.value = str(save_state(TrainState.create(tiny_config), tmp_path))
    faces.show_candidate(key)
    assert "checkpoint before" in faces.message.value


def test_the_class_is_chosen_drawn_and_exported(classes, faces, tmp_path):
    assert faces.face.class_choice.layout.display == "none" and "class" not in faces.face.settings()
    panel = FacePanel(str(classes), tmp_path, seed=5)
    first, mix = panel.face.picture, panel.part(MixTab).picture()
    assert panel.face.class_choice.layout.display is None and panel.face.class_choice.description == "class (0 to 2)"
    panel.face.class_choice.value = 2
    assert (panel.face.picture != first).any() and (panel.part(MixTab).picture() != mix).any()
    assert read_mark(panel.export.write("picture")).settings["class"] == 2
    assert read_mark(panel.export.write("grid of styles")).settings["class"] == 2
    panel.part(WalkTab).seeds.value, panel.part(WalkTab).seconds.value = "1", 0.5
    panel.part(WalkTab).make()
    data = panel.part(WalkTab).data
    assert from_xmp(data[data.rindex(XMP_BOX.bytes) + 16 :]).settings["class"] == 2
    panel.checkpoint.value = "none"
    panel.checkpoint.value = str(classes)
    assert panel.face.settings()["class"] == 2


def test_a_persona_brings_its_class(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path, seed=5)
    panel.face.class_choice.value = 1
    path, picture = panel.export.write("persona"), panel.face.picture
    other = FacePanel(str(classes), tmp_path)
    other.load_persona(path)
    assert np.array_equal(other.face.picture, picture) and other.face.class_choice.value == 1
    assert other.face.settings()["persona"]["class"] == 1
    other.face.class_choice.value = 2
    assert "persona" not in other.face.settings() and other.face.settings()["class"] == 2


def test_a_persona_of_a_class_that_is_none_leaves_the_choice(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path, seed=5)
    panel.face.class_choice.value = 1
    for label in (99, 3, -1, True, False, 2.0, "2", None):
        panel.face._put_class(label)
        assert panel.face.class_choice.value == panel.face.G.label == 1, label
    panel.face._put_class(2)
    assert panel.face.class_choice.value == panel.face.G.label == 2


def test_candidates_are_of_the_class_of_their_beginning(classes, tmp_path):
    panel = FacePanel(str(classes), tmp_path)
    panel.face.class_choice.value = 2
    found = panel.candidates(2)
    next(found)
    panel.face.class_choice.value = 0
    key, picture = next(found)
    assert panel.face.settings()["class"] == 0
    panel.show_candidate(key)
    assert np.array_equal(panel.face.picture, picture) and panel.face.settings()["class"] == 2

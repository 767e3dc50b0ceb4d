"""Faces as pages for strangers."""

import base64

import ipywidgets as widgets
import numpy as np

from provenance import GENERATED, read_mark
from sgan.faces.persona import make_persona, read_persona
from sgan.panel import FacePage, PersonPage


def test_pages_offer_classes_and_no_number_beyond_them(classes):
    page = PersonPage(str(classes))
    page.class_choice.max = page.class_choice.value = 10**6
    assert page.G.label == 2 and page.class_choice.layout.display is None
    assert FacePage(str(classes)).face.class_choice.classes == 3


def test_person_page_shows_one_person_after_another_and_hands_them_over_marked(checkpoint, tmp_path):
    page = PersonPage(str(checkpoint))
    first, seed = bytes(page.image.value), page.seed
    page.button.click()
    assert page.seed != seed and bytes(page.image.value) != first
    (tmp_path / "got.png").write_bytes(base64.b64decode(page.download.value.split("base64,")[1].split('"')[0]))
    mark = read_mark(tmp_path / "got.png")
    assert mark.source_type == GENERATED and mark.settings["seed"] == page.seed


def test_face_page_has_sliders_but_no_path(checkpoint, faces):
    page = FacePage(str(checkpoint), seed=3)
    assert np.array_equal(page.face.picture, faces.face.picture)
    page.face.directions.sliders[0].value = 2.0
    assert not np.array_equal(page.face.picture, faces.face.picture) and "base64" in page.download.value
    inner, texts = [page], []
    while inner:
        part = inner.pop()
        inner += getattr(part, "children", ())
        texts += [part] if isinstance(part, widgets.Text) else []
    assert not texts and str(checkpoint) not in repr(page)
    persona = make_persona(faces.face.G, faces.face.ws, faces.face.settings(), faces.face.picture).to_json().encode()
    page.face.take_persona(read_persona(persona))
    assert np.array_equal(page.face.picture, faces.face.picture)

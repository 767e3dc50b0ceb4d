"""Sliders along directions."""

import numpy as np

from sgan.faces.editing import Edit


def test_what_a_browser_answers_is_no_step_along_a_direction(faces):
    faces.face.directions.sliders[3].value = -4.440892098500626e-16  # its raster begins at the end of the range
    assert faces.face.directions.edits() == [] and "edits" not in faces.face.settings()
    faces.face.directions.sliders[3].value = 1.2500000000000002
    assert [edit.amount for edit in faces.face.directions.edits()] == [1.25]


def test_direction_sliders_add_up_and_are_undone(faces):
    plain = faces.face.picture
    faces.face.directions.sliders[0].value = 2.0
    faces.face.directions.kind.value = "samples"
    assert faces.face.directions.sliders[0].value == 0.0
    faces.face.directions.sliders[1].value = -3.0
    assert faces.face.directions.edits() == [Edit("weights", "all", 0, 2.0), Edit("samples", "all", 1, -3.0)]
    assert len(faces.face.settings()["edits"]) == 2
    faces.face.directions.reset.click()
    assert faces.face.directions.edits() == [] and np.array_equal(faces.face.picture, plain)

"""What holds for every landmarker; their networks are loaded when they first find."""

import pytest

from faceswap.find.landmarkers import LANDMARKERS, landmarks_name, make_landmarker
from faceswap.find.mesh import MeshLandmarker


@pytest.mark.parametrize("name", LANDMARKERS)
def test_it_is_made_by_its_name_and_knows_it(name):
    landmarker = make_landmarker(name, notice=lambda text: None)
    assert landmarks_name(landmarker) == name and callable(landmarker.find) and LANDMARKERS[name].help


def test_the_mesh_is_usual_and_one_without_a_name_is_called_by_its_class():
    assert isinstance(make_landmarker(), MeshLandmarker)
    assert landmarks_name(object()) == "object"

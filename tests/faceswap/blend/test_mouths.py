"""What holds for every way to keep the target's teeth."""

import numpy as np
import pytest
from seen_faces import FACE, POINTS, look

from faceswap.blend.mouths import MOUTHS
from faceswap.shape.regions import MOUTH

CLOSED = POINTS.copy()
CLOSED[list(MOUTH), 1] = POINTS[78, 1]
SOURCES = {"open": POINTS, "closed": CLOSED}


@pytest.mark.parametrize("name", MOUTHS)
@pytest.mark.parametrize("source", SOURCES)
def test_the_mouth_of_the_target_is_kept_as_far_as_it_says(name, source):
    sight = look(source_points=SOURCES[source])
    share = MOUTHS[name].keep(sight)
    found = sight.without_openings(np.ones(FACE.shape[:2], np.float32), share)
    x, y = POINTS[list(MOUTH), :2].mean(0).round().astype(int)
    assert 0 <= share <= 1 and found[y, x] == pytest.approx(1 - share, abs=0.05) and found[y + 40, x] == 1


@pytest.mark.parametrize(
    ("name", "source", "share"),
    [("auto", "open", 0), ("auto", "closed", 1), ("always", "open", 1), ("never", "closed", 0)],
)
def test_auto_keeps_the_teeth_of_a_wide_mouth_only_where_the_source_has_none(name, source, share):
    assert MOUTHS[name].keep(look(source_points=SOURCES[source])) == share

"""Both faces of a swap as masks see them, on one grid."""

from drawn_face import draw_face, place_mesh

from faceswap.blend.masks import MASKS
from faceswap.blend.sight import Sight, SourceSkin
from faceswap.options import Options
from faceswap.shape.warp import Maps, Source
from faceswap.tone.skin import skin_likeness, to_lab

POINTS = place_mesh(eyes_apart=80)
FACE = draw_face(POINTS)


def look(source=FACE, target=FACE, feather=Options.feather, points=POINTS, source_points=None):
    """Returns the Sight of a source that is put onto a target, in its own place unless its points are given."""
    own, lab = Source(source, points if source_points is None else source_points), to_lab(target)
    maps, skin = Maps(own.points, points, target.shape[:2]), SourceSkin(own)
    shown = skin.at(maps.mesh, feather)[1]
    return Sight(skin, points, maps, shown, skin_likeness(lab, points), lab[:, :, 0], feather)


def auto_mask(kind="auto", **named):
    return MASKS[kind].draw(look(**named))

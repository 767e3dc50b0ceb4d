"""What masks are made of: the oval, what hides skin in the source and what lies over the face in the target.

All on the reduced grid, in [0, 1]; every length is a share of the face's width.
"""

from __future__ import annotations

from dataclasses import dataclass

import cv2
import numpy as np

from faceswap.shape.geometry import smoothstep
from faceswap.shape.regions import BROW_LINE, LEFT_EYE, MOUTH, OVAL, RIGHT_EYE, face_width, opening
from faceswap.shape.warp import Maps, Source, scale_places
from faceswap.tone.colour import calm_chroma_noise
from faceswap.tone.skin import Zones, dark_lenses, glasses, grow_mask, skin_likeness, to_lab, uncovered

COARSE = 20  # points along each side of the grid at which the distance to the oval's edge is computed
SOURCE_FACE = 192  # the source's face is this wide when its bare skin is told from hair, pixels
INSET = 0.01  # the edge starts this far inside the oval / face width
SPARE = 0.012  # what covers the face is kept this much wider / face width
BROW_LIFT = 0.045  # room above the brows where the forehead is cut off / height of the face
COVER_FEATHER = 0.6  # of the edge of what covers the face / of the oval's
BROW_FEATHER = 0.45  # of that cut / of the oval's
FEW_PIXELS = 0.5  # of the size looked at below which the source's colours are taken as coarser still
OPEN = (0.04, 0.08)  # opening of the mouth below which it is closed, above which it is open
ALIKE = (0.45, 0.7)  # opening of the source / of the target between which its own teeth come to be used
DARKER = (0.2, 0.35)  # lightness of the mouth, in that of the skin, by which a source without teeth is darker
ENOUGH_EYE = (7.0, 12.0)  # pixels across an eye of the source below which it is borrowed, above which it is not
ENOUGH_MOUTH = (16.0, 24.0)  # the same for its teeth
LARGER = (0.4, 0.7)  # ... if source / target size lies below these


def polygon(points: np.ndarray, ring: tuple[int, ...], size: tuple[int, int], scale: float = 1.0) -> np.ndarray:
    """Returns uint8 [h, w], 1 inside the ring of points, which may be scaled about its centre."""
    corners = points[list(ring), :2]
    corners = corners.mean(0) + scale * (corners - corners.mean(0))
    out = np.zeros(size, np.uint8)
    cv2.fillPoly(out, [np.round(corners * 16).astype(np.int32)], 1, cv2.LINE_8, 4)
    return out


def soften(inside: np.ndarray, feather: float) -> np.ndarray:
    """Returns float32 [h, w]: 0 outside a binary shape, rising from its edge inwards over `feather` pixels to 1."""
    # An edge of the picture is no edge of the face.
    padded = cv2.copyMakeBorder(inside, 1, 1, 1, 1, cv2.BORDER_REPLICATE)
    distance = cv2.distanceTransform(padded, cv2.DIST_L2, 5)[1:-1, 1:-1]  # without an edge anywhere, enormous
    return smoothstep(np.minimum(distance, feather + 2) - 0.5, 0.0, max(feather, 0.5))


def inner_distance(corners: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns float32 [h, w]: how far each pixel lies inside a polygon, in pixels; negative outside.

    Exact at COARSE x COARSE places, linear between: the polygon may reach beyond the picture, and the
    distance knows no steps.

    Args:
        corners: [N, 2] of the closed polygon.
    """
    count = tuple(max(min(v, COARSE), 2) for v in size)
    y, x = (((np.arange(n) + 0.5) * (v / n) - 0.5).astype(np.float32) for n, v in zip(count, size))
    px, py = np.tile(x, len(y)), np.repeat(y, len(x))  # [P]
    start = corners.astype(np.float32)
    end = np.concatenate([start[1:], start[:1]])
    (sx, sy), (ex, ey) = start.T[:, :, None], (end - start).T[:, :, None]  # [N, 1]
    dx, dy = px - sx, py - sy  # [N, P]: summing up over the first axis is several times faster
    along = (dx * ex + dy * ey) * (1 / np.maximum(ex * ex + ey * ey, 1e-6))
    along = np.minimum(np.maximum(along, 0), 1)
    distance = np.sqrt(((dx - along * ex) ** 2 + (dy - along * ey) ** 2).min(0))
    crossed = (dy < 0) != (dy < ey)
    left = dx * np.abs(ey) < dy * ex * np.sign(ey)
    inside = np.logical_xor.reduce(crossed & left, axis=0)
    signed = np.where(inside, distance, -distance).astype(np.float32).reshape(count)
    return cv2.resize(signed, size[::-1], interpolation=cv2.INTER_LINEAR)


class SourceSkin:
    """What of the source is bare skin: worked out once, in its own picture, and carried along by every warp.

    Args:
        source: the face to show.
    """

    def __init__(self, source: Source):
        image, points, self._scale = source.at_width(SOURCE_FACE)
        lab = to_lab(image)
        if self._scale[0] > 1 / FEW_PIXELS:
            lab = calm_chroma_noise(lab, 0.5 * self._scale[0])
        self._likeness, self._width = skin_likeness(lab, points), face_width(points)
        zones = Zones(points, image.shape[:2])
        self.mouth = mouth_light(lab[:, :, 0], self._likeness, points)
        self.forehead = bare_forehead(self._likeness, points, zones)
        self._shown = bare_parts(self._likeness, points, Maps(points, points, image.shape[:2]), zones)
        self._layers: dict[float, np.ndarray] = {}

    def at(self, place: np.ndarray, feather: float) -> tuple[np.ndarray, np.ndarray]:
        """Returns two float32 [h, w] in [0, 1]: likeness of skin at each place, and 0 where something covers it.

        Args:
            place: float32 [h, w, 2], (x, y) in pixels of the source.
            feather: width of the soft edge of what covers / face width.
        """
        if feather not in self._layers:
            shown = self._shown
            bare = np.ones_like(self._likeness) if shown is None else soft_cover(shown, self._width, feather)
            self._layers[feather] = cv2.merge([self._likeness, bare])
        own = scale_places(place, self._scale)
        layers = cv2.remap(self._layers[feather], own, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        return cv2.split(layers)


def bare_parts(skin: np.ndarray, points: np.ndarray, maps: Maps, zones: Zones) -> np.ndarray | None:
    """Returns uint8 [h, w]: 1 where nothing covers the face, hair, hands or dark glasses; None if nothing does at all.

    Args:
        skin: float32 [h, w] likeness in [0, 1].
        points: [468, 3] mesh points on the grid.
        maps, zones: of these points.
    """
    bare, lenses = uncovered(skin, maps, zones), dark_lenses(skin, points)
    if lenses is None:
        return bare
    return 1 - lenses if bare is None else bare & (1 - lenses)


def soft_cover(shown: np.ndarray, width: float, feather: float) -> np.ndarray:
    """Returns float32 [h, w]: a binary mask of what is bare, a little smaller and with a soft edge.

    Args:
        width: of the face in pixels.
        feather: width of the edge / face width.
    """
    return soften(1 - grow_mask(1 - shown, SPARE * width), COVER_FEATHER * feather * width)


def bare_forehead(skin: np.ndarray, points: np.ndarray, zones: Zones) -> float:
    """Returns the share of the forehead above the brows that looks like skin."""
    below = np.zeros(skin.shape, np.uint8)
    cv2.fillPoly(below, [np.round(below_brows(points)).astype(np.int32)], 1)
    forehead = polygon(points, OVAL, skin.shape, 0.95) & (1 - below) & (1 - zones.features)
    return float(skin[forehead > 0].mean()) if forehead.any() else 1.0


def below_brows(points: np.ndarray) -> np.ndarray:
    """Returns the corners [N, 2] of the part of the oval below a line just above the brows."""
    right, left = OVAL.index(127), OVAL.index(356)
    lower = OVAL[left : right + 1]  # from the left temple round the chin to the right temple
    lift = BROW_LIFT * (points[10, :2] - points[152, :2])
    return np.concatenate([points[list(lower), :2], points[list(BROW_LINE), :2] + lift])


@dataclass(frozen=True)
class Sight:
    """Both faces as they are seen on the target's grid: what masks are made from."""

    source: SourceSkin
    target: np.ndarray  # [468, 3] mesh points in pixels of its picture
    maps: Maps  # of source and target
    shown: np.ndarray  # float32 [h, w] in [0, 1], 0 where something covers the source
    skin: np.ndarray  # float32 [h, w] in [0, 1], skin likeness of the target
    light: np.ndarray  # float32 [h, w], L in [0, 100] of the target
    feather: float  # width of the soft edge / face width

    @property
    def points(self) -> np.ndarray:
        """The target's mesh points [468, 3] on the grid."""
        return self.maps.points

    @property
    def soft(self) -> float:
        """Width of the soft edge in pixels of the grid."""
        return max(self.feather * face_width(self.points), 0.5)

    def oval(self) -> np.ndarray:
        """Returns float32 [h, w]: 1 inside the target's face, 0 outside, with a soft edge."""
        inset = INSET * face_width(self.points)
        return smoothstep(inner_distance(self.points[list(OVAL), :2], self.skin.shape), inset, inset + self.soft)

    def below_brows(self) -> np.ndarray:
        """Returns float32 [h, w]: 1 below a line just above the brows, 0 above, with a soft edge."""
        return smoothstep(inner_distance(below_brows(self.points), self.skin.shape), 0, BROW_FEATHER * self.soft)

    def uncovered(self) -> np.ndarray:
        """Returns float32 [h, w]: 1 where nothing covers either face, 0 where something does, with a soft edge."""
        bare = bare_parts(self.skin, self.points, self.maps, Zones(self.points, self.skin.shape))
        if bare is None:
            return self.shown
        return np.minimum(self.shown, soft_cover(bare, face_width(self.points), self.feather))

    def beside_rims(self) -> np.ndarray | float:
        """Returns float32 [h, w]: 0 on the rims of the target's glasses, 1 elsewhere; 1 alone when it wears none."""
        rims = glasses(self.light, self.points)
        if rims is None:
            return 1.0
        near = cv2.dilate(rims, np.ones((3, 3), np.uint8)).astype(np.float32)
        return 1 - cv2.GaussianBlur(near, (0, 0), 0.7)

    def teeth_lacking(self) -> float:
        """Returns how much of the target's teeth to keep because the source has none, or too few pixels, to show."""
        source, target = self.maps.source, self.target
        light = self.source.mouth, mouth_light(self.light, self.skin, self.points)
        few = detail_share(source, target, MOUTH, ENOUGH_MOUTH)
        return max(mouth_share(source, target), teeth_share(*light, target), few)

    def without_openings(self, mask: np.ndarray, teeth: float) -> np.ndarray:
        """Returns a mask without the eyes of the target that the source is too small to show, and a share of its mouth.

        Args:
            mask: float32 [h, w] in [0, 1].
            teeth: that share.
        """
        for eye in (RIGHT_EYE, LEFT_EYE):
            share = detail_share(self.maps.source, self.target, eye, ENOUGH_EYE)
            mask = keep_target(mask, self.points, eye, share)
        return keep_target(mask, self.points, MOUTH, teeth)


def keep_target(mask: np.ndarray, points: np.ndarray, ring: tuple[int, ...], share: float) -> np.ndarray:
    """Returns the mask with a share of the inside of one of the target's openings (mouth or eye) taken out."""
    if share <= 0:
        return mask
    inside = polygon(points, ring, mask.shape, 1.04).astype(np.float32)
    soft = cv2.GaussianBlur(inside, (0, 0), max(0.008 * face_width(points), 0.5))
    return mask * (1 - np.float32(share) * soft)


def mouth_share(source: np.ndarray, target: np.ndarray) -> float:
    """Returns how much of the target's teeth to keep: 1 when its mouth is open much wider than the source's, else 0.

    A source that shows no teeth, or a thin line of them, would have to be stretched over the opening.
    """
    wanted, given = opening(target, MOUTH), opening(source, MOUTH)
    alike = smoothstep(np.float32(given / max(wanted, 1e-6)), *ALIKE)
    return float(wide_open(target) * (1 - alike))


def wide_open(points: np.ndarray) -> float:
    """Returns 0 for a closed mouth, 1 for one that is open enough to show teeth."""
    return float(smoothstep(np.float32(opening(points, MOUTH)), *OPEN))


def mouth_light(light: np.ndarray, skin: np.ndarray, points: np.ndarray) -> float:
    """Returns the mean lightness between the lips, in that of the skin: teeth are near 1, a dark mouth is below 0.6.

    NaN where it cannot be told.

    Args:
        light: float32 [h, w], L in [0, 100].
        skin: float32 [h, w] likeness in [0, 1].
        points: [468, 3] mesh points on the same grid.
    """
    inside, sure = polygon(points, MOUTH, light.shape), (skin > 0.9).astype(np.uint8)
    return cv2.mean(light, inside)[0] / max(cv2.mean(light, sure)[0], 1.0) if inside.any() and sure.any() else np.nan


def teeth_share(source_light: float, target_light: float, target: np.ndarray) -> float:
    """Returns how much of the target's teeth to keep because the source's mouth is dark and the target's is not.

    Args:
        source_light, target_light: from `mouth_light`.
        target: [468, 3] mesh points of the target.
    """
    darker = np.nan_to_num(target_light - source_light)
    return wide_open(target) * float(smoothstep(np.float32(darker), *DARKER))


def detail_share(source: np.ndarray, target: np.ndarray, ring: tuple[int, ...], enough: tuple[float, float]) -> float:
    """Returns how much of the target's eye or teeth to keep because the source is too small to show one.

    0 from `enough` pixels across it in the source, and where the target is hardly larger than the source.
    """
    ends = [ring[0], ring[len(ring) // 2]]
    given, wanted = (float(np.linalg.norm(np.subtract(*points[ends, :2]))) for points in (source, target))
    few = 1 - smoothstep(np.float32(given), *enough)
    larger = 1 - smoothstep(np.float32(given / max(wanted, 1e-6)), *LARGER)
    return float(few * larger)

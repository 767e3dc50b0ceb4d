"""How much each pixel looks like the skin of one particular face, and what covers it: hair, hands, microphones.

The model is robust and made anew for each face: the colour is a median, the light a plane across the face, both from
cheeks and nose, so that a beard, hair, glasses or a hand elsewhere do not enter it. What is not skin covers the face,
unless it is a feature or a beard: a beard grows on both halves alike and hangs on nothing above.
"""

from __future__ import annotations

import cv2
import numpy as np

from faceswap.shape.geometry import bounding_rect, median, scale_points, smoothstep
from faceswap.shape.regions import LEFT_BROW, LEFT_EYE, LIPS, NOSE, OVAL, RIGHT_BROW, RIGHT_EYE, face_width, mesh
from faceswap.shape.warp import Maps

# Patches that are skin on nearly every face, one side; the other follows by mirroring.
PATCHES = (
    (117, 118, 101, 36, 205, 187, 123),  # cheek
    (195, 5, 45, 134, 51),  # half of the nose
    (36, 142, 203, 205),  # beside the nose
)
SMOOTH = 0.025  # sigma that calms skin likeness / face width
CENTRE = (129, 358, 205, 425, 214, 434, 135, 364, 149, 378)  # around the mouth and the front of the chin
SIDEBURN = 0.05  # hair reaching less far onto the cheeks is a beard's / face width
CORE_ROOM = 0.008  # ... when hair hangs down to them
FRINGE = 0.01  # share of the face from which what is foreign above the features is hair
SPECK = 0.003  # share of the face below which what is foreign is not looked into
ONE_SIDED = 0.6  # share of a part that must have bare skin opposite
RIM_WIDTH = 0.06  # a rim of glasses is thinner than this / face width
BRIDGE = 8.0  # L by which the bridge of glasses is darker than the nose beside it
LOWER_QUARTER = 4  # of the 17 places along that line, sorted
RIM_CONTRAST = 0.3  # of a rim / of the bridge
LID_ROOM = 0.03  # around the eyes where dark lines are lids and lashes / face width
GLASSES_ZONE = (70, 105, 107, 336, 334, 300, 127, 356, 234, 454, 50, 280, 205, 425, 195)
BELOW_EYE = (0.02, 0.06)  # from where to where below an eye skin is looked for / face width
LENS_SKIN = 0.05  # likeness of skin there below which dark glasses hide it
LENS_ROOM = 0.02  # by which what they hide is widened / face width
LOWER_NOSE = (4, 48, 278, 64, 294, 98, 327, 2)  # whose shadows are no rims
FOREHEAD = (10, 338, 297, 332, 284, 251, 300, 334, 296, 9, 66, 105, 70, 21, 54, 103, 67, 109)
STRAND = 14.0  # L by which a strand of hair is darker than the forehead: wrinkles are not
HAIRLINE = 0.04  # inside the edge of the forehead where hair may end / face width
STRAND_WIDTH = 0.03  # a strand is thinner than this / face width
BARE_WIDTH = 384  # a face is at most this wide when its glasses are taken off, pixels
OFF_ROOM = 0.008  # by which rims are widened before that / face width
FEATURE_ROOM = 0.042  # around brows, eyes, nose and mouth that counts as theirs / face width
PATCH_SAMPLES = 400
WIDE = 4  # radius from which a mask is widened by distances, pixels
LIGHT_FLOOR, COLOUR_FLOOR = 6.0, 3.0  # least deviation that counts as one sigma, CIE units
KEEP, DROP = 2.0, 4.5  # sigmas up to which a pixel is skin for certain, and from which it is not


def to_lab(image: np.ndarray) -> np.ndarray:
    """Returns CIELAB float32 [h, w, 3], L in [0, 100], of a uint8 or float32 (0..255) RGB image."""
    return cv2.cvtColor(image.astype(np.float32) * np.float32(1 / 255), cv2.COLOR_RGB2LAB)


def to_rgb(lab: np.ndarray) -> np.ndarray:
    """Returns float32 [h, w, 3] RGB, 0..255, of a CIELAB image; colours outside the cube are cut off."""
    return cv2.cvtColor(lab, cv2.COLOR_LAB2RGB) * np.float32(255)


def skin_patches(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns bool [h, w]: the patches of cheeks and nose that the model is made from.

    Args:
        points: [468, 3] mesh points in pixels of the grid.
    """
    mask = np.zeros(size, np.uint8)
    mirror = mesh().mirror
    for patch in PATCHES:
        for side in (list(patch), mirror[list(patch)].tolist()):
            cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[side, :2]).astype(np.int32)), 1)
    return mask.astype(bool)


def fit_light(values: np.ndarray, y: np.ndarray, x: np.ndarray) -> np.ndarray:
    """Returns (a, b, c) of the plane a*x + b*y + c through `values`, with outliers given little weight.

    Iteratively reweighted least squares with Cauchy weights; x and y should be of order one.
    """
    design = np.stack([x, y, np.ones_like(x)]).astype(np.float64)  # [3, N]
    weight = np.ones(len(values))
    ridge = np.diag([0.02, 0.02, 0.0]) * len(values)  # a flat light where the patches do not say otherwise
    ridge += 1e-6 * np.eye(3)
    for _ in range(4):
        weighted = design * weight
        plane = np.linalg.solve(weighted @ design.T + ridge, weighted @ values)
        error = values - plane @ design
        sigma = max(1.4826 * median(np.abs(error)), 1.0)
        weight = 1 / (1 + (error / (2 * sigma)) ** 2)
    return plane


def skin_likeness(lab: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns float32 [h, w] in [0, 1]: 1 where the pixel is surely skin of this face.

    Args:
        lab: float32 [h, w, 3] CIELAB of the face's grid.
        points: [468, 3] mesh points in pixels of the grid.
    """
    height, width = lab.shape[:2]
    y, x = np.nonzero(skin_patches(points, (height, width)))
    if len(y) < 12:
        return np.ones((height, width), np.float32)
    few = np.s_[:: max(1, len(y) // PATCH_SAMPLES)]
    y, x, unit = y[few], x[few], 1.0 / max(height, width)
    seen = lab[y, x].astype(np.float64)
    plane = fit_light(seen[:, 0], y * unit, x * unit)
    light = (plane[0] * unit * np.arange(width)[None] + plane[1] * unit * np.arange(height)[:, None] + plane[2]).astype(
        np.float32
    )
    distance = np.zeros((height, width), np.float32)
    for k, floor in enumerate((LIGHT_FLOOR, COLOUR_FLOOR, COLOUR_FLOOR)):
        part = cv2.extractChannel(lab, k)
        part = cv2.subtract(part, light if k == 0 else median(seen[:, k]))
        part *= np.float32(1 / max(1.4826 * median(np.abs(part[y, x])), floor))
        cv2.accumulateSquare(part, distance)
    return 1 - smoothstep(cv2.sqrt(distance), KEEP, DROP)


def features(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [h, w]: brows, eyes, nose and mouth, which differ from skin without being hidden."""
    out = np.zeros(size, np.uint8)
    for ring in (RIGHT_BROW + RIGHT_EYE, LEFT_BROW + LEFT_EYE, LIPS, NOSE):
        out |= hull(points, ring, size)
    return out


def grow_mask(mask: np.ndarray, radius: float) -> np.ndarray:
    """Returns a uint8 mask widened by `radius` pixels in all directions."""
    r = max(int(round(radius)), 1)
    if r < WIDE:
        return cv2.dilate(mask, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (2 * r + 1, 2 * r + 1)))
    away = cv2.distanceTransform(1 - (mask > 0).astype(np.uint8), cv2.DIST_L2, 5)  # as fast for any radius
    return (away <= r).astype(np.uint8)


def below_line(points: np.ndarray, base: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [h, w]: everything on the chin's side of a line across the face through `base` (x, y)."""
    across = (points[454, :2] - points[234, :2]).astype(np.float64)
    normal = np.array([-across[1], across[0]])
    normal *= np.sign(normal @ (points[152, :2] - points[10, :2])) or 1.0
    x, y = (np.arange(size[1]) - base[0]) * normal[0], (np.arange(size[0]) - base[1]) * normal[1]
    return (x[None] > -y[:, None]).astype(np.uint8)


def hull(points: np.ndarray, chosen: tuple[int, ...], size: tuple[int, int]) -> np.ndarray:
    """Returns uint8 [h, w], 1 inside the convex hull of some of the points."""
    out = np.zeros(size, np.uint8)
    cv2.fillConvexPoly(out, cv2.convexHull(np.round(points[list(chosen), :2]).astype(np.int32)), 1)
    return out


def touching(mask: np.ndarray, seeds: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w]: the connected parts of a binary mask that hold any of the seeds."""
    count, labels = cv2.connectedComponents(mask, connectivity=4)
    wanted = np.zeros(count, np.uint8)
    wanted[labels[seeds > 0]] = 1
    wanted[0] = 0
    return wanted.take(labels)


def one_sided_parts(foreign: np.ndarray, bare_there: np.ndarray, inside: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w]: those connected parts that reach in from outside and have mostly bare skin opposite.

    Args:
        foreign: uint8 [h, w], what is not skin.
        bare_there: bool [h, w], where the other half of the face is skin.
        inside: uint8 [h, w], the oval.
    """
    count, labels = cv2.connectedComponents(foreign, connectivity=4)
    area = np.bincount(labels.ravel(), minlength=count)
    bare = np.bincount(labels[bare_there], minlength=count)
    rim = inside & (1 - cv2.erode(inside, np.ones((3, 3), np.uint8), borderValue=1))
    reaches = np.bincount(labels[rim > 0], minlength=count) > 0
    wanted = (bare > ONE_SIDED * area) & reaches
    wanted[0] = False
    return wanted[labels].astype(np.uint8)


class Zones:
    """The parts of one face on its grid by which what covers it is told from what belongs to it; uint8 [h, w] each.

    Args:
        points: [468, 3] mesh points on the grid.
        size: (h, w) of the grid.
    """

    def __init__(self, points: np.ndarray, size: tuple[int, int]):
        width = face_width(points)
        self.sigma = max(SMOOTH * width, 0.6)
        self.inside = hull(points, OVAL, size)
        own = features(points, size)
        self.features, self.core = (grow_mask(own, room * width) for room in (FEATURE_ROOM, CORE_ROOM))
        self.reach = (FEATURE_ROOM + CORE_ROOM) * width
        self.centre = hull(points, CENTRE, size)
        self.below = below_line(points, 0.75 * points[2, :2] + 0.25 * points[6, :2], size)  # where a beard may grow
        self.cheeks = below_line(points, points[168, :2], size) & (1 - self.below)
        self.cheeks &= 1 - grow_mask(1 - self.inside, SIDEBURN * width)
        self.middle = tuple(min(max(round(float(points[5, axis])), 0), size[1 - axis] - 1) for axis in (1, 0))


def _free_features(foreign: np.ndarray, zones: Zones) -> np.ndarray:
    """Returns uint8 [h, w]: the features and the room around them, less that towards hair hanging down to them."""
    outside = foreign & zones.inside & (1 - zones.features) & (1 - zones.below)
    if not outside.any():
        return zones.features
    count, labels = cv2.connectedComponents(outside, connectivity=4)
    large = np.bincount(labels.ravel(), minlength=count) > FRINGE * zones.inside.sum()
    large[0] = False
    if not large.any():
        return zones.features
    return zones.core | (zones.features & (1 - grow_mask(large[labels].astype(np.uint8), zones.reach)))


def uncovered(skin: np.ndarray, maps: Maps, zones: Zones) -> np.ndarray | None:
    """Returns uint8 [h, w]: 1 where the face is bare and one with its middle; None if all is.

    Args:
        skin: float32 [h, w] likeness in [0, 1].
        maps: for where each pixel lies on the other half of the face, when that is needed.
    """
    calm = cv2.GaussianBlur(skin, (0, 0), zones.sigma)
    foreign = (calm < 0.5).astype(np.uint8)
    if not (foreign & zones.inside & (1 - zones.features)).any():
        return None
    hanging = touching(foreign & zones.inside, foreign & zones.cheeks) & (1 - zones.centre)
    beard = zones.below & (1 - hanging)
    lower = foreign & beard & zones.inside
    if lower.sum() > SPECK * zones.inside.sum():
        beard &= 1 - one_sided_parts(lower, maps.opposite(calm) > 0.6, zones.inside)
    shown = ((1 - foreign) | _free_features(foreign, zones) | beard).astype(np.uint8)
    seed = np.zeros_like(shown)
    seed[zones.middle] = shown[zones.middle]
    return touching(shown, seed) if seed.any() else shown


def glasses(light: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Returns uint8 [h, w]: the rims of the glasses that a face wears; None when it wears none.

    The bridge gives them away: a thin dark line across the ridge of the nose, where bare skin has none (of 50 portraits
    all 12 with dark or metal rims measured 10 or more, all 37 without 6.4 or less). Rims are the thin dark lines around
    the eyes that hang together with the bridge or reach the temples, less brows and lids.

    Args:
        light: float32 [h, w], L in [0, 100] of the face's grid.
        points: [468, 3] mesh points on the grid.
    """
    width, size = face_width(points), light.shape
    side = max(3, round(RIM_WIDTH * width)) | 1
    lines = thin_dark(light, side)
    across = points[362, :2] - points[133, :2]
    ridge = points[8, :2] + np.linspace(0, 1, 25)[:, None] * (points[197, :2] - points[8, :2])
    grid = (ridge[:, None] + np.linspace(-0.28, 0.28, 17)[None, :, None] * across).astype(np.float32)
    heights = np.partition(cv2.remap(lines, grid, None, cv2.INTER_LINEAR), LOWER_QUARTER, axis=1)[:, LOWER_QUARTER]
    if heights.max() < BRIDGE:
        return None
    lids = grow_mask(hull(points, RIGHT_EYE, size) | hull(points, LEFT_EYE, size), LID_ROOM * width)
    brows = hull(points, RIGHT_BROW, size) | hull(points, LEFT_BROW, size)
    nose = grow_mask(hull(points, LOWER_NOSE, size), FEATURE_ROOM * width)
    zone = hull(points, GLASSES_ZONE, size) & (1 - (lids | brows | nose))
    found = ((lines > RIM_CONTRAST * heights.max()) & (zone > 0)).astype(np.uint8)
    seeds = np.zeros(size, np.uint8)
    row = np.round(grid[int(heights.argmax())]).astype(int)
    seeds[np.clip(row[:, 1], 0, size[0] - 1), np.clip(row[:, 0], 0, size[1] - 1)] = 1
    temples = zone & (1 - cv2.erode(hull(points, OVAL, size), np.ones((5, 5), np.uint8)))
    joined = cv2.dilate(found, np.ones((3, 3), np.uint8))
    return found & touching(joined, grow_mask(seeds, 2) | temples)


def dark_lenses(skin: np.ndarray, points: np.ndarray) -> np.ndarray | None:
    """Returns uint8 [h, w]: the dark glasses in front of both eyes; None where eyes are seen.

    Below the eyes there is skin on every face, unless something hides it (of 750 portraits the likeness of skin there
    was 0.00 behind sunglasses and 0.10 or more on all others, dark rings and make-up included).

    Args:
        skin: float32 [h, w] likeness in [0, 1].
        points: [468, 3] mesh points on the grid.
    """
    width, size = face_width(points), skin.shape
    seeds = np.zeros(size, np.uint8)
    for eye in (RIGHT_EYE, LEFT_EYE):
        opening = hull(points, eye, size)
        below = grow_mask(opening, BELOW_EYE[1] * width) & (1 - grow_mask(opening, BELOW_EYE[0] * width))
        below &= below_line(points, points[list(eye), :2].mean(0), size)
        if not below.any() or skin[below > 0].mean() > LENS_SKIN:
            return None
        seeds |= below
    zone = grow_mask(hull(points, GLASSES_ZONE, size), LENS_ROOM * width)
    lenses = touching((skin < 0.5).astype(np.uint8) & zone, seeds)
    return grow_mask(lenses, LENS_ROOM * width)


def thin_dark(light: np.ndarray, side: int) -> np.ndarray:
    """Returns float32 [h, w]: by how much a place is darker than what surrounds it within `side` pixels (black hat)."""
    return cv2.morphologyEx(light, cv2.MORPH_BLACKHAT, cv2.getStructuringElement(cv2.MORPH_ELLIPSE, (side, side)))


def strands(light: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns uint8 [h, w]: single strands of hair on the forehead, thin lines much darker than its skin.

    Args:
        light: float32 [h, w], L in [0, 100] of the face's grid.
        points: [468, 3] mesh points on the grid.
    """
    width, size = face_width(points), light.shape
    lines = thin_dark(light, max(3, round(STRAND_WIDTH * width)) | 1)
    brows = grow_mask(hull(points, RIGHT_BROW, size) | hull(points, LEFT_BROW, size), LID_ROOM * width)
    hairline = grow_mask(1 - hull(points, FOREHEAD, size), HAIRLINE * width)
    forehead = 1 - (brows | hairline)
    return ((lines > STRAND) & (forehead > 0)).astype(np.uint8)


def without_lines(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns uint8 [H, W, 3]: the picture without the rims of the face's glasses and strands on its forehead.

    They are filled in from the skin beside them (Telea 2004, "An image inpainting technique based on the fast marching
    method"), on a copy of moderate size; carried to another head they would look drawn on. Where there are none the
    picture itself is returned.

    Args:
        image: uint8 [H, W, 3] RGB.
        points: [468, 3] mesh points in pixels of `image`.
    """
    width = face_width(points)
    x0, y0, x1, y1 = bounding_rect(points, 0.1 * width, image.shape[:2])
    factor = min(1.0, BARE_WIDTH / max(width, 1.0))
    size = round((x1 - x0) * factor), round((y1 - y0) * factor)
    if min(size) < 16:
        return image
    small = cv2.resize(image[y0:y1, x0:x1], size, interpolation=cv2.INTER_AREA)
    scale = size[0] / (x1 - x0), size[1] / (y1 - y0)
    light, small_points = to_lab(small)[:, :, 0], scale_points(points - np.float32([x0, y0, 0]), scale)
    lines, rims = strands(light, small_points), glasses(light, small_points)
    lines = lines if rims is None else lines | rims
    if not lines.any():
        return image
    lines = grow_mask(lines, OFF_ROOM * width * factor)
    filled = cv2.inpaint(small, lines, max(0.02 * width * factor, 2.0), cv2.INPAINT_TELEA)
    soft = cv2.GaussianBlur(lines.astype(np.float32), (0, 0), 0.8)
    soft, filled = (cv2.resize(v, (x1 - x0, y1 - y0), interpolation=cv2.INTER_LINEAR) for v in (soft, filled))
    out = image.copy()
    out[y0:y1, x0:x1] = cv2.blendLinear(filled, np.ascontiguousarray(image[y0:y1, x0:x1]), soft, 1 - soft)
    return out

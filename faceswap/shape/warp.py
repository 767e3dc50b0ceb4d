"""Warping the source face onto the target's landmarks: one map of coordinates, one `cv2.remap`.

The map says for every pixel of the target's frame which pixel of the source belongs there. The piecewise map gathers
one affine per mesh triangle through a rasterised picture of triangle numbers; the plain one is a similarity
transform.
"""

from __future__ import annotations

from functools import cached_property, lru_cache

import cv2
import numpy as np

from faceswap.shape.frame import Frame, cells_around
from faceswap.shape.geometry import (
    Rect,
    bounding_rect,
    fit_similarity,
    scale_points,
    signed_areas,
    smoothstep,
    triangle_affines,
)
from faceswap.shape.regions import BROW_LINE, LEFT_EYE, LIPS, MESH_POINTS, NOSE, OVAL, RIGHT_EYE, face_width, mesh

RIM = 1.3  # the mesh is continued outwards to this multiple of the oval, so that the map has no edge near the mask's
SOURCE_MARGIN = 0.4  # kept of the source around its landmarks / face width
ENLARGE_TIMES = 3  # a small source is doubled at most so often
ENLARGE_SHARPEN = 0.7  # share of the fine detail added at each doubling
SEEN = (0.25, 0.5)  # area in the source / in the target below which a triangle counts as hidden, above which as seen
BETTER = (0.15, 0.35)  # by how much more of it the other half must show
LEAST_FILL = 0.05
SEEN_SIDE = 80  # percentile of the triangles' areas that tells the scale of the side which is seen
FILL_SOFT = 0.02  # sigma of the edge of what is filled / face width
FINE_SIDE = 1536  # sources larger than this are not copied with pixels in between
HALFWAY = (-0.09375, 0.59375, 0.59375, -0.09375)  # cubic convolution (Keys 1981, a = -0.75) between two pixels
SUBPIXEL_BITS = 4  # of cv2.fillConvexPoly
RIGID = (*BROW_LINE, *RIGHT_EYE, *LEFT_EYE, *NOSE, *LIPS)  # what the plain warp lays onto each other


class Source:
    """The face that gives its identity: its part of the picture, its landmarks and smaller copies for small targets.

    Args:
        image: uint8 [H, W, 3] RGB.
        points: [468, 3] mesh points in pixels of `image`.
    """

    def __init__(self, image: np.ndarray, points: np.ndarray):
        margin = SOURCE_MARGIN * face_width(points)
        self.rect: Rect = bounding_rect(points, margin, image.shape[:2])
        if self.rect[2] <= self.rect[0] or self.rect[3] <= self.rect[1]:
            raise ValueError("the landmarks of the source lie outside its picture")
        x0, y0, x1, y1 = self.rect
        self.points = np.asarray(points - np.float32([x0, y0, 0]), np.float32)
        self._levels = {0: np.ascontiguousarray(image[y0:y1, x0:x1])}
        self._fine: dict[int, np.ndarray] = {}

    @property
    def image(self) -> np.ndarray:
        """The part of the picture around the face, uint8 [h, w, 3]; `points` are its pixels."""
        return self._levels[0]

    def level(self, reduction: float) -> tuple[np.ndarray, tuple[float, float]]:
        """Returns the copy whose pixels are about `reduction` times as large, and (x, y) new size / old size.

        Smaller copies are sqrt(2) apart, so that a warp never leaves out pixels (aliasing); larger ones, for a source
        smaller than the target, are doubled and sharpened. Each is made when first needed.
        """
        height, width = self.image.shape[:2]
        number = round(2 * np.log2(max(reduction, 1e-3)))
        number = min(number, max(0, int(2 * np.log2(min(height, width) / 4))))
        if number < 0:
            number = max(2 * round(number / 2), -2 * ENLARGE_TIMES)
        if number not in self._levels:
            if number < 0:
                self._levels[number] = enlarge_twice(self.level(2 ** (number / 2 + 1))[0])
            else:
                size = tuple(max(round(v * 2 ** (-number / 2)), 1) for v in (width, height))
                self._levels[number] = cv2.resize(self.image, size, interpolation=cv2.INTER_AREA)
        level = self._levels[number]
        return level, (level.shape[1] / width, level.shape[0] / height)

    def fine_level(self, level: np.ndarray) -> np.ndarray:
        """Returns the copy of a level that has one more pixel between each two."""
        key = level.shape[0]
        if key not in self._fine:
            self._fine[key] = between_pixels(level)
        return self._fine[key]

    def at_width(self, width: float) -> tuple[np.ndarray, np.ndarray, tuple[float, float]]:
        """Returns a copy in which the face is `width` pixels wide, its points, and (x, y) new size / old size."""
        factor = width / face_width(self.points)
        level, _ = self.level(1 / factor)
        size = tuple(max(round(v * factor), 1) for v in self.image.shape[1::-1])
        smaller = size[0] < level.shape[1]
        image = cv2.resize(level, size, interpolation=cv2.INTER_AREA if smaller else cv2.INTER_CUBIC)
        scale = (size[0] / self.image.shape[1], size[1] / self.image.shape[0])
        return image, scale_points(self.points, scale), scale


def between_pixels(image: np.ndarray) -> np.ndarray:
    """Returns uint8 [2h - 1, 2w - 1, 3]: the image's own pixels and, halfway between them, cubic ones."""
    height, width = image.shape[:2]
    out = np.empty((2 * height, 2 * width, 3), np.uint8)
    one, half = np.float32([1]), np.float32(HALFWAY)
    for x, y in ((0, 0), (1, 0), (0, 1), (1, 1)):
        across, down = (half if n else one for n in (x, y))
        part = image if not x + y else cv2.sepFilter2D(image, -1, across, down, None, (x, y), 0, cv2.BORDER_REPLICATE)
        out[y::2, x::2] = part
    return np.ascontiguousarray(out[:-1, :-1])


def enlarge_twice(image: np.ndarray) -> np.ndarray:
    """Returns uint8 [2h, 2w, 3]: Lanczos, then sharpened without overshooting the brightest and darkest neighbour.

    Measured on portraits reduced to 64 pixels and enlarged to 256: as close to the original as Lanczos alone (29.3
    dB) and visibly crisper at eyes and lips.
    """
    large = cv2.resize(image, None, fx=2, fy=2, interpolation=cv2.INTER_LANCZOS4)
    soft = cv2.GaussianBlur(large, (0, 0), 1.2).astype(np.float32)
    sharp = large + np.float32(ENLARGE_SHARPEN) * (large - soft)
    near = np.ones((3, 3), np.uint8)
    low, high = (
        cv2.resize(extreme(image, near), None, fx=2, fy=2, interpolation=cv2.INTER_LINEAR)
        for extreme in (cv2.erode, cv2.dilate)
    )
    return np.clip(sharp + np.float32(0.5), low, high).astype(np.uint8)


@lru_cache(maxsize=1)
def rimmed_triangles() -> np.ndarray:
    """Returns [970, 3] triangles: the rim around the oval first, then the mesh's."""
    n, rim = len(OVAL), MESH_POINTS + np.arange(len(OVAL))
    oval, after = np.array(OVAL), (np.arange(n) + 1) % n
    first = (
        np.arange(n) < n // 2
    )  # the left half's quads are cut along the other diagonal: the halves mirror each other
    corner = np.where(first, rim[after], rim)
    outer = np.stack([np.where(first, oval, oval[after]), rim, rim[after]], 1)
    inner = np.stack([oval, corner, oval[after]], 1)
    return np.concatenate([outer, inner, mesh().triangles])


def add_rim(points: np.ndarray) -> np.ndarray:
    """Returns [504, 3]: the mesh points and, beyond the oval, its ring pushed away from the centre."""
    oval = points[list(OVAL)]
    return np.concatenate([points, oval.mean(0) + RIM * (oval - oval.mean(0))]).astype(np.float32)


def triangle_map(points: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns int16 [h, w]: the number of the triangle seen at each pixel, -1 where there is none.

    Triangles are painted from far to near, so that on a turned head the nose covers the cheek.

    Args:
        points: [504, 3] rimmed mesh points in pixels of the grid.
        size: (h, w) of the grid.
    """
    triangles = rimmed_triangles()
    depth = points[:, 2].take(triangles.T).sum(0)
    depth[: 2 * len(OVAL)] = np.inf  # the rim lies behind everything
    far_first = np.argsort(-depth, kind="stable")
    corners = np.round(points[:, :2] * (1 << SUBPIXEL_BITS)).astype(np.int32)[triangles[far_first]]
    out = np.full(size, -1, np.int16)
    for number, corner in zip(far_first.tolist(), corners):
        cv2.fillConvexPoly(out, corner, number, cv2.LINE_8, SUBPIXEL_BITS)
    return out


def hidden_share(source: np.ndarray, target: np.ndarray) -> np.ndarray:
    """Returns float32 [898] in [0, 1]: 1 for those the source hides, its other half shows and the target needs.

    Args:
        source: [468, 3] mesh points of the face to show.
        target: [468, 3] mesh points of the face to replace.
    """
    triangles, mirror = mesh().triangles, mesh().mirror
    given, wanted = (np.maximum(signed_areas(points[:, :2].take(triangles, 0)), 0) for points in (source, target))
    # Mirrored corners run the other way round.
    opposite = np.maximum(-signed_areas(source[:, :2].take(mirror.take(triangles), 0)), 0)
    ratios, rank = given / np.maximum(wanted, 1e-3), SEEN_SIDE * len(given) // 100
    unit = np.partition(ratios, rank)[rank]  # that of the side which is seen
    needed = np.maximum(wanted * unit, 1e-6)
    given, opposite = given / needed, np.minimum(opposite / needed, 1)
    share = (1 - smoothstep(given, *SEEN)) * smoothstep(opposite - given, *BETTER)
    if share.max() < LEAST_FILL:  # the means below are not larger
        return np.zeros(len(share), np.float32)
    weight = np.repeat(wanted, 3)
    near = [np.bincount(triangles.ravel(), v, MESH_POINTS) for v in (weight, weight * np.repeat(share, 3))]
    return (near[1] / np.maximum(near[0], 1e-6))[triangles].mean(1).astype(np.float32)  # alike for neighbours


def gather_map(
    number: np.ndarray, source: np.ndarray, target: np.ndarray, outside: np.ndarray, corner: tuple[int, int] = (0, 0)
) -> np.ndarray:
    """Returns float32 [h, w, 2]: for each grid pixel the (x, y) of the source that its triangle puts there.

    Coordinates stay within the triangle's own rectangle, so that a triangle seen edge-on throws none far away.

    Args:
        number: int16 [h, w], a part of `triangle_map(target, ...)`.
        source: [504, 3] rimmed mesh points in pixels of the source.
        target: [504, 3] rimmed mesh points in pixels of the grid.
        outside: grid_to_source [2, 3], the map where there is no triangle.
        corner: (x, y) of the part's first pixel on the grid.
    """
    triangles = rimmed_triangles()
    src, dst = (points[:, :2].take(triangles, 0) for points in (source, target))
    table = np.concatenate([triangle_affines(dst, src), outside[None]])  # the last row is that of number -1
    rows = np.ascontiguousarray(table.reshape(-1, 6).T, np.float32)
    slack = 1.5 * face_width(source[:MESH_POINTS]) / max(face_width(target[:MESH_POINTS]), 1.0)
    # Those that are not steep cannot leave their rectangle: a pixel touches its triangle.
    steep = (np.abs(rows[[0, 3]]) + np.abs(rows[[1, 4]])).max(0) > slack
    steep[-1] = False
    x, y = (np.arange(first, first + n, dtype=np.float32) for first, n in zip(corner, number.shape[::-1]))
    chosen = np.where(number < 0, len(triangles), number).astype(np.intp)
    far = np.flatnonzero(steep.take(chosen))
    corners = src.take(chosen.ravel()[far], 0)  # [F, 3, 2]
    low, high = corners.min(1) - slack, corners.max(1) + slack
    out = []
    for axis, (a, b, c) in enumerate((rows[:3], rows[3:])):
        values = a.take(chosen) * x + b.take(chosen) * y[:, None] + c.take(chosen)
        values.ravel()[far] = np.minimum(np.maximum(values.ravel()[far], low[:, axis]), high[:, axis])
        out.append(values)
    return without_specks(cv2.merge(out))


def without_specks(coordinates: np.ndarray) -> np.ndarray:
    """Returns a map [h, w, 2] without single strays and hard creases, where the mesh is folded or very fine.

    Median and mean of an affine function over a square are its value in the middle: straight parts stay as they are.
    """
    if min(coordinates.shape[:2]) < 5:
        return coordinates
    calm = cv2.merge([cv2.medianBlur(channel, 3) for channel in cv2.split(coordinates)])
    for edge in (np.s_[:1], np.s_[-1:], np.s_[:, :1], np.s_[:, -1:]):
        calm[edge] = coordinates[edge]
    out = coordinates.copy()
    out[1:-1, 1:-1] = cv2.GaussianBlur(calm, (3, 3), 0.7)[1:-1, 1:-1]
    return out


def similarity_map(matrix: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """Returns float32 [h, w, 2]: where an affine `matrix` [2, 3] sends each pixel (x, y) of a grid."""
    y, x = (np.arange(n, dtype=np.float32) for n in size)
    m = matrix.astype(np.float32)
    return np.stack([row[0] * x + (row[1] * y + row[2])[:, None] for row in m], -1)


def scale_places(places: np.ndarray, scale: tuple[float, float]) -> np.ndarray:
    """Returns a map [h, w, 2] of places (x, y) in an image after that was resized by `scale` (x, y)."""
    (x, y), rest = scale, (0.5 * scale[0] - 0.5, 0.5 * scale[1] - 0.5)
    return places if x == y == 1 else cv2.transform(places, np.array([[x, 0, rest[0]], [0, y, rest[1]]]))


def sample(source: Source, coordinates: np.ndarray, frame: Frame, reduction: float) -> np.ndarray:
    """Returns uint8 [h, w, 3] of the frame's rectangle: the source's pixels, its edge continued outwards.

    They are read linearly from a copy with one more pixel between each two, which is as good as reading cubically and
    several times faster; a large source is read cubically, to save memory.

    Args:
        coordinates: float32 [gh, gw, 2] on the frame's grid, (x, y) in pixels of `source.image`.
        reduction: source pixels per pixel of the rectangle.
    """
    level, scale = source.level(reduction)
    coordinates = scale_places(coordinates, scale)
    if max(level.shape[:2]) > FINE_SIDE:
        return cv2.remap(level, frame.enlarge(coordinates), None, cv2.INTER_CUBIC, borderMode=cv2.BORDER_REPLICATE)
    places, level = frame.enlarge(2 * coordinates), source.fine_level(level)
    return cv2.remap(level, places, None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)


class Maps:
    """The coordinate maps of one target face, from one rasterised mesh.

    Args:
        source: [468, 3] mesh points of the face to show, pixels of its own picture.
        points: [468, 3] mesh points of the target in pixels of the grid.
        size: (h, w) of the grid.
    """

    def __init__(self, source: np.ndarray, points: np.ndarray, size: tuple[int, int]):
        self.source, self.points, self._size = source, points, size

    @cached_property
    def _rimmed(self) -> np.ndarray:
        return add_rim(self.points)

    @cached_property
    def _number(self) -> np.ndarray:
        return triangle_map(self._rimmed, self._size)

    @cached_property
    def mesh(self) -> np.ndarray:
        """Source coordinates following every landmark, float32 [h, w, 2]."""
        outside = self._similarity(self.source)
        return gather_map(self._number, add_rim(self.source), self._rimmed, outside)

    @cached_property
    def flat(self) -> np.ndarray:
        """Source coordinates of the similarity that best fits the rigid features, float32 [h, w, 2]."""
        return similarity_map(self._similarity(self.source), self._size)

    @cached_property
    def mirrored(self) -> np.ndarray:
        """Source coordinates of the same place on the other half of the source's face, for `filled` [h', w', 2]."""
        other, (rows, columns) = self.source[mesh().mirror], self.filled
        number, corner = self._number[rows, columns], (columns.start, rows.start)
        return gather_map(number, add_rim(other), self._rimmed, self._similarity(other), corner)

    @cached_property
    def fill(self) -> np.ndarray | None:
        """How much of each pixel is to come from the other half of the source, float32 [h, w]; None for nothing.

        A head that is turned away shows one half squeezed or not at all. Where the target shows that half much wider,
        the half that is seen stands in for it.
        """
        share = hidden_share(self.source, self.points)
        if share.max() < LEAST_FILL:
            return None
        rim = np.zeros(2 * len(OVAL), np.float32)
        flat = np.concatenate([rim, share, np.zeros(1, np.float32)]).take(self._number)
        soft = cv2.GaussianBlur(flat, (0, 0), max(FILL_SOFT * face_width(self.points), 0.6))
        return soft if soft.max() > 0 else None  # what is hidden may lie outside the picture

    @cached_property
    def filled(self) -> tuple[slice, slice]:
        """Rows and columns of the grid around all that `fill` says is to be filled."""
        return cells_around(self.fill)

    def opposite(self, values: np.ndarray) -> np.ndarray:
        """Returns what a float32 [h, w] of the grid is at the same place on the other half of the face.

        One value for each triangle, taken in its middle; 0 where there is no face.
        """
        a, b, c = self.points[:, :2].take(mesh().mirror.take(mesh().triangles.T), 0)
        middles = (a + b + c) / np.float32(3)
        found = cv2.remap(values, middles[:, None], None, cv2.INTER_LINEAR, borderMode=cv2.BORDER_REPLICATE)
        rim = 2 * len(OVAL)
        return np.concatenate([np.zeros(rim, np.float32), found[:, 0], np.zeros(1, np.float32)]).take(self._number)

    def _similarity(self, points: np.ndarray) -> np.ndarray:
        return fit_similarity(self.points[list(RIGID), :2], points[list(RIGID), :2])

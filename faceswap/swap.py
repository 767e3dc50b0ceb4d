"""Swapping faces in one picture: `Swapper(source).swap(image)`.

A photo's way: the frame around a face, the source warped onto it, the mask, the tone, and the blend into the photo.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from functools import cached_property
from pathlib import Path

import cv2
import numpy as np

from faceswap.blend.blends import BLENDS
from faceswap.blend.masks import MASKS
from faceswap.blend.mouths import MOUTHS
from faceswap.blend.sight import FEW_PIXELS, Sight, SourceSkin
from faceswap.find.landmarkers import Landmarker, make_landmarker
from faceswap.find.tracking import Tracker
from faceswap.media.images import as_rgb, file_sha256, read_image
from faceswap.options import Options
from faceswap.shape.frame import GRID_FACE, MOVING_FACE, Frame, cells_around
from faceswap.shape.regions import face_width, to_mesh
from faceswap.shape.warp import Maps, Source, sample
from faceswap.tone.colour import COARSE, calm_chroma_noise, correct_colour, is_grey, without_colour
from faceswap.tone.grain import match_grain
from faceswap.tone.skin import skin_likeness, to_lab, to_rgb, without_lines
from provenance import read_mark

SURELY_SKIN = 0.7  # likeness in both faces from which their grain is compared
SMALLEST = 8.0  # narrower faces are left alone, pixels


class Swapper:
    """Puts one face into any number of pictures.

    Args:
        source: path of a picture, or uint8 [H, W, 3] RGB; its largest face is used.
        options: how to do it; the usual ones when not given.
        landmarker: finds faces; MediaPipe Face Mesh when not given.
        points: [N, 2 or 3] landmarks of the source's face when they are known already.
        face: which face of the source, "largest" or its number from 0.

    Raises:
        ValueError: no face in the source, or it is no picture; "all" for the face.
        FileNotFoundError: no such file.
    """

    def __init__(
        self,
        source: str | Path | np.ndarray,
        options: Options | None = None,
        landmarker: Landmarker | None = None,
        points: np.ndarray | None = None,
        face: int | str = "largest",
    ):
        if face == "all":
            raise ValueError("one face is put in, so all is no answer; give largest or a number from 0")
        self.options = options or Options()
        self.landmarker = landmarker or make_landmarker()
        image = as_rgb(source) if isinstance(source, np.ndarray) else read_image(source)
        if points is None:
            name = "the source picture" if isinstance(source, np.ndarray) else str(source)
            points = choose_faces(self.landmarker.find(image), face, name)[0]
        points = to_mesh(points)
        self.source = Source(without_lines(image, points), points)
        self._skin = SourceSkin(self.source)

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns the landmarks of all faces of a picture, largest first."""
        return self.landmarker.find(as_rgb(image))

    def frames(self, images: Iterable[np.ndarray], rate: float = 30.0) -> Iterator[np.ndarray]:
        """Yields one picture for each of a sequence, with the faces followed through time and their landmarks steadied.

        Args:
            images: uint8 [H, W, 3] RGB each, in their order.
            rate: pictures per second.
        """
        tracker = Tracker(self.landmarker)
        for image in images:
            image = as_rgb(image)
            yield self.swap(image, [track.points for track in tracker.update(image, 1 / rate)], moving=True)

    def swap(self, image: np.ndarray, faces: Sequence[np.ndarray] | None = None, moving: bool = False) -> np.ndarray:
        """Returns a copy of the picture with the source's face on it.

        Args:
            image: uint8 [H, W, 3] RGB.
            faces: landmarks of the faces to replace; all that are found when not given.
            moving: a frame of many: masks, tones and the bending are worked out a little coarser, and sooner.

        Returns:
            uint8 [H, W, 3]; equal to `image` bit for bit outside the faces and when there are none.
        """
        image = as_rgb(image)
        out = image.copy()
        for points in self.find(image) if faces is None else faces:
            swap_face(out, self.source, self._skin, to_mesh(points), self.options, MOVING_FACE if moving else GRID_FACE)
        return out


def choose_faces(faces: Sequence[np.ndarray], face: int | str, name: str) -> list[np.ndarray]:
    """Returns the faces meant: "all", "largest", or the one of that number, counted from 0 for the largest.

    Args:
        faces: landmarks, largest face first.
        name: what the picture is called in an error.

    Raises:
        ValueError: there is no face, or none of that number.
    """
    if not faces:
        raise ValueError(f"{name}: no face found; give a picture in which the face is seen clearly")
    if face == "all":
        return list(faces)
    number = 0 if face == "largest" else int(face)
    if not 0 <= number < len(faces):
        count = "is only face 0" if len(faces) == 1 else f"are only faces 0 to {len(faces) - 1}"
        raise ValueError(f"{name}: there is no face {number}; there {count}")
    return [faces[number]]


class Target:
    """One face of a picture that is to be replaced.

    Args:
        image: uint8 [H, W, 3] RGB.
        points: [468, 3] mesh points of the face, pixels of `image`.
        grid_face: width of the face on the grid of what varies slowly, at most, pixels.
    """

    def __init__(self, image: np.ndarray, points: np.ndarray, grid_face: int):
        self.points, self.width = points, face_width(points)
        self.frame = Frame.around(points, image.shape[:2], grid_face)
        self.pixels = self.frame.cut(image)  # uint8 [h, w, 3], a view
        self.grid_points = self.frame.to_grid(points)

    def part(self, shown: tuple[slice, slice]) -> Target:
        """Returns the target cut to those rows and columns of its grid; how it looks is not worked out again."""
        part = copy(self)
        part.frame = self.frame.part(*shown)
        part.pixels = self.pixels[self.frame.inside(part.frame)]
        part.grid, part.lab, part.skin, part.grey = self.grid[shown], self.lab[shown], self.skin[shown], self.grey
        return part

    @cached_property
    def grid(self) -> np.ndarray:
        """Its pixels on the grid, uint8 [gh, gw, 3]."""
        return self.frame.reduce(self.pixels)

    @cached_property
    def lab(self) -> np.ndarray:
        """... in CIELAB, float32 [gh, gw, 3]."""
        return to_lab(self.grid)

    @cached_property
    def skin(self) -> np.ndarray:
        """Likeness of skin, float32 [gh, gw] in [0, 1]."""
        return skin_likeness(self.lab, self.grid_points)

    @cached_property
    def grey(self) -> bool:
        """Whether it has no colour."""
        return is_grey(self.grid)


def swap_face(
    image: np.ndarray,
    source: Source,
    skin: SourceSkin,
    points: np.ndarray,
    options: Options,
    grid_face: int = GRID_FACE,
) -> bool:
    """Replaces one face of `image` in place; returns whether there was room for one.

    Args:
        image: uint8 [H, W, 3] RGB, written to inside the face only.
        source: the face to show.
        skin: what of it is bare.
        points, grid_face: as for `Target`.
    """
    target = Target(image, points, grid_face)
    if min(target.width, *target.frame.size) < SMALLEST or options.strength == 0:
        return False
    maps = Maps(source.points, target.grid_points, target.frame.grid_size)
    own_skin, bare = warp_skin(skin, maps, options)
    sight = Sight(skin, points, maps, bare, target.skin, target.lab[:, :, 0], options.feather)
    mask = MASKS[options.mask].draw(sight)
    blend = BLENDS[options.blend]
    shown = cells_around(np.ones_like(mask) if blend.whole else mask, COARSE)
    if shown is None:
        return True
    common = (own_skin * target.skin * (mask > 0))[shown]
    mask = sight.without_openings(mask, MOUTHS[options.keep_mouth].keep(sight))[shown]
    target, reduction = target.part(shown), face_width(source.points) / target.width
    pixels = warp_pixels(source, target.frame, maps, shown, reduction, options)
    face = match_tone(pixels, target, common, reduction, options)
    alpha = np.ascontiguousarray(target.frame.enlarge(np.clip(mask, 0, 1) * np.float32(options.strength)))
    target.pixels[:] = blend.join(face, target.pixels, alpha)
    return True


def warp_skin(skin: SourceSkin, maps: Maps, options: Options) -> tuple[np.ndarray, np.ndarray]:
    """Returns two float32 [gh, gw] in [0, 1]: the source's likeness of skin on the target, and 0 where it is covered.

    Where the source hides a half of its face, its other half stands in.
    """
    worn = skin.at(maps.flat if options.warp_2d else maps.mesh, options.feather)
    if not options.warp_2d and maps.fill is not None:
        share = maps.fill[maps.filled]
        for own, seen in zip(worn, skin.at(maps.mirrored, options.feather)):
            part = own[maps.filled]
            part += (seen - part) * share
    return worn


def warp_pixels(
    source: Source, frame: Frame, maps: Maps, shown: tuple[slice, slice], reduction: float, options: Options
) -> np.ndarray:
    """Returns the source's face on the target, uint8 [h, w, 3]; its other half stands in for one that it hides.

    Args:
        frame: of the rows and columns of the maps that are `shown`.
        reduction: source pixels per pixel of the frame.
    """
    places = maps.flat if options.warp_2d else maps.mesh
    pixels = sample(source, places[shown], frame, reduction)
    if options.warp_2d or maps.fill is None:
        return pixels
    both = tuple(slice(max(a.start, b.start), min(a.stop, b.stop)) for a, b in zip(maps.filled, shown))
    if any(span.stop <= span.start for span in both):
        return pixels
    part = frame.part(*(slice(a.start - b.start, a.stop - b.start) for a, b in zip(both, shown)))
    place = frame.inside(part)
    mirrored = maps.mirrored[tuple(slice(a.start - b.start, a.stop - b.start) for a, b in zip(both, maps.filled))]
    share = np.ascontiguousarray(part.enlarge(maps.fill[both]))
    own = np.ascontiguousarray(pixels[place])
    pixels[place] = cv2.blendLinear(sample(source, mirrored, part, reduction), own, share, 1 - share)
    return pixels


def match_tone(pixels: np.ndarray, target: Target, skin: np.ndarray, reduction: float, options: Options) -> np.ndarray:
    """Returns the warped face, float32 [h, w, 3] RGB, with the target's light, skin tone, sharpness and grain.

    Args:
        pixels: uint8 [h, w, 3] RGB, the warped face.
        skin: float32 [gh, gw] in [0, 1], where both faces show skin.
        reduction: source pixels per pixel of the target.
    """
    frame = target.frame
    if target.grey:
        pixels = without_colour(pixels)
    face = pixels.astype(np.float32)
    if options.correct_color:
        grid = frame.reduce(pixels)
        lab = to_lab(grid)
        if reduction < FEW_PIXELS:
            lab = calm_chroma_noise(lab, 0.5 / (reduction * frame.step))
        corrected = to_rgb(correct_colour(lab, target.lab, skin, target.grid_points))
        face += frame.enlarge(cv2.subtract(corrected, grid, dtype=cv2.CV_32F))
    face = match_grain(face, target.pixels, skin > SURELY_SKIN, options.match_grain, frame.step)
    return without_colour(face) if target.grey else face


def describe(
    src: str | Path,
    dst: str | Path | None,
    options: Options,
    faces: int,
    face: int | str | Sequence[int] = "all",
    src_face: int | str = "largest",
    landmarks: str = "mesh",
) -> dict:
    """Returns what the result's metadata say: all that the result depends on, and the source's own mark.

    Args:
        src, dst: files, kept by name and hash; no dst where there is none.
        options: how it was done.
        faces: how many were swapped.
        face: which ones, as for `choose_faces`, or their numbers.
        src_face: which face of `src`.
        landmarks: what found the faces' points, as for `make_landmarker`.
    """
    settings = {"src": Path(src).name, "src_sha256": file_sha256(src)}
    if dst is not None:
        settings |= {"dst": Path(dst).name, "dst_sha256": file_sha256(dst)}
    face = face if isinstance(face, (int, str)) else list(face)
    settings |= {"faces": faces, "face": face, "src_face": src_face, "landmarks": landmarks, **options.as_dict()}
    mark = read_mark(src)
    if mark is not None:
        settings["source"] = mark.settings
    return settings

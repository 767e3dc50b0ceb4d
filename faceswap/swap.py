"""Swapping faces in one picture: `Swapper(source).swap(image)`."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field, fields
from pathlib import Path

import cv2
import numpy as np

from faceswap.blend.blending import BLEND_KINDS, feather_blend, poisson_blend
from faceswap.blend.mask import (
    ENOUGH_EYE,
    ENOUGH_MOUTH,
    FEATHER,
    FEW_PIXELS,
    MASK_KINDS,
    SourceSkin,
    detail_share,
    face_mask,
    keep_target,
    mouth_light,
    mouth_share,
    teeth_share,
)
from faceswap.find.landmarks import Landmarker, make_landmarker
from faceswap.find.tracking import Tracker
from faceswap.media.images import as_rgb, file_sha256, read_image
from faceswap.shape.frame import GRID_FACE, MOVING_FACE, Frame
from faceswap.shape.regions import LEFT_EYE, MOUTH, RIGHT_EYE, face_width, to_mesh
from faceswap.shape.warp import Maps, Source, sample
from faceswap.tone.colour import calm_chroma_noise, correct_colour, is_grey, without_colour
from faceswap.tone.grain import match_grain
from faceswap.tone.skin import skin_likeness, to_lab, to_rgb, without_lines
from provenance import read_mark

SURELY_SKIN = 0.7  # likeness in both faces from which their grain is compared
SMALLEST = 8.0  # narrower faces are left alone, pixels
MOUTH_KINDS = ("auto", "always", "never")


def _option(default, text: str, allowed: tuple = ()):
    """Returns a field of Options: its default, a line of help, and its choices or its lowest and highest value."""
    return field(default=default, metadata={"help": text, "allowed": allowed})


@dataclass(frozen=True)
class Options:
    """How faces are put in; every field has a flag of the same name. Plain values: comparable, hashable, picklable."""

    correct_color: bool = _option(True, "give the face the light and skin tone of the picture")
    warp_2d: bool = _option(False, "only turn, scale and shift the face, without bending it to the expression")
    mask: str = _option(
        "auto",
        "auto: the face without hair and without what lies over it; oval: all of it; brows: below the brows",
        MASK_KINDS,
    )
    feather: float = _option(FEATHER, "width of the soft edge as a share of the face's width", (0.0, 0.5))
    blend: str = _option("feather", "how the edge is joined", BLEND_KINDS)
    strength: float = _option(1.0, "0 leaves the picture as it is, 1 shows the new face fully", (0.0, 1.0))
    keep_mouth: str = _option(
        "auto", "keep the teeth of the picture; auto: when the new face has none to show", MOUTH_KINDS
    )
    match_grain: float = _option(1.0, "how far sharpness and grain follow the picture", (0.0, 1.0))

    def __post_init__(self) -> None:
        for item in fields(self):
            value, allowed = getattr(self, item.name), item.metadata["allowed"]
            if isinstance(item.default, bool):
                if not isinstance(value, bool):
                    raise ValueError(f"{item.name} must be True or False, not {value!r}")
            elif isinstance(item.default, str):
                if value not in allowed:
                    raise ValueError(f"{item.name} must be one of {', '.join(allowed)}, not {value!r}")
            elif (
                isinstance(value, bool) or not isinstance(value, (int, float)) or not allowed[0] <= value <= allowed[1]
            ):
                raise ValueError(f"{item.name} must lie between {allowed[0]:g} and {allowed[1]:g}, not {value!r}")

    def as_dict(self) -> dict:
        """Returns the options by name, for metadata."""
        return asdict(self)


class Swapper:
    """Puts one face into any number of pictures.

    Args:
        source: path of a picture, or uint8 [H, W, 3] RGB; its largest face is used.
        options: how to do it.
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
        options: Options = Options(),
        landmarker: Landmarker | None = None,
        points: np.ndarray | None = None,
        face: int | str = "largest",
    ):
        if face == "all":
            raise ValueError("one face is put in, so all is no answer; give largest or a number from 0")
        self.options = options
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
        points: [468, 3] mesh points of the face to replace, pixels of `image`.
        grid_face: width of the face on the grid of what varies slowly, at most, pixels.
    """
    width = face_width(points)
    frame = Frame.around(points, image.shape[:2], grid_face)
    if width < SMALLEST or min(frame.size) < SMALLEST or options.strength == 0:
        return False
    target, grid_points = frame.cut(image), frame.to_grid(points)
    maps = Maps(source.points, grid_points, frame.grid_size)
    reduction = face_width(source.points) / width
    place = maps.flat if options.warp_2d else maps.mesh
    warped = sample(source, place, frame, reduction)
    source_skin, bare = skin.at(place, options.feather)
    if not options.warp_2d and maps.fill is not None:
        for layer, mirrored in zip((source_skin, bare), skin.at(maps.mirrored, options.feather)):
            layer[maps.filled] += (mirrored - layer[maps.filled]) * maps.fill[maps.filled]
        fill_hidden(warped, source, maps, frame, reduction)
    target_grid = frame.reduce(target)
    grey = is_grey(target_grid)
    if grey:
        warped = without_colour(warped)
    source_grid = frame.reduce(warped)
    source_lab, target_lab = to_lab(source_grid), to_lab(target_grid)
    if options.correct_color and reduction < FEW_PIXELS:
        source_lab = calm_chroma_noise(source_lab, 0.5 / (reduction * frame.step))
    target_skin = skin_likeness(target_lab, grid_points)
    light, kind = target_lab[:, :, 0], options.mask
    shown = face_mask(grid_points, bare, target_skin, light, maps, skin.forehead, kind, options.feather)
    both = source_skin * target_skin * (shown > 0)
    face = warped.astype(np.float32)
    if options.correct_color:
        corrected = correct_colour(source_lab, target_lab, both, grid_points)
        shift = cv2.subtract(to_rgb(corrected), source_grid, dtype=cv2.CV_32F)
        face += frame.enlarge(shift)
    face = match_grain(face, target, both > SURELY_SKIN, options.match_grain, frame.step)
    if grey:
        face = without_colour(face)
    mouths = skin.mouth, mouth_light(light, target_skin, grid_points)
    shown = keep_openings(shown, source.points, points, grid_points, mouths, options.keep_mouth)
    alpha = np.ascontiguousarray(frame.enlarge(np.clip(shown, 0, 1) * np.float32(options.strength)))
    blend = poisson_blend if options.blend == "poisson" else feather_blend
    target[:] = blend(face, target, alpha)
    return True


def fill_hidden(warped: np.ndarray, source: Source, maps: Maps, frame: Frame, reduction: float) -> None:
    """Lets the half of the source that is seen stand in, in place, for what its other half hides.

    Args:
        warped: uint8 [h, w, 3], the warped source on the frame's rectangle.
        reduction: source pixels per pixel of the rectangle.
    """
    part = frame.part(*maps.filled)
    place = frame.inside(part)
    share = np.ascontiguousarray(part.enlarge(maps.fill[maps.filled]))
    other = sample(source, maps.mirrored, part, reduction)
    warped[place] = cv2.blendLinear(other, np.ascontiguousarray(warped[place]), share, 1 - share)


def keep_openings(
    shown: np.ndarray,
    source: np.ndarray,
    target: np.ndarray,
    grid_points: np.ndarray,
    mouths: tuple[float, float],
    keep_mouth: str,
) -> np.ndarray:
    """Returns the mask without those eyes and teeth of the target that stay because the source has none to show.

    Args:
        shown: float32 [gh, gw] in [0, 1].
        source, target: [468, 3] mesh points in their own pictures.
        grid_points: the target's on the grid.
        mouths: lightness of the mouth in source and target, from `mouth_light`.
        keep_mouth: one of MOUTH_KINDS.
    """
    for eye in (RIGHT_EYE, LEFT_EYE):
        shown = keep_target(shown, grid_points, eye, detail_share(source, target, eye, ENOUGH_EYE))
    if keep_mouth == "auto":
        few = detail_share(source, target, MOUTH, ENOUGH_MOUTH)
        teeth = max(mouth_share(source, target), teeth_share(*mouths, target), few)
    else:
        teeth = float(keep_mouth == "always")
    return keep_target(shown, grid_points, MOUTH, teeth)


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

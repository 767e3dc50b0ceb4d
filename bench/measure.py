"""What a picture of a face shows, as numbers: Face Mesh's points, colours of skin and hair, detail, and the like.

Serves check_faces.py and name_directions.py. Everything is measured by Face Mesh and plain arithmetic, so
that it needs no network; it is rough where hair or background are unusual.
"""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

SIDE = 256  # pictures are shown to Face Mesh at this size (Lanczos)
N_POINTS = 468
VERSION = 1  # of what is cached
CROP = 24  # side of the aligned crops that groups are told by, pixels
CHEEKS, FOREHEAD, LIPS = ((50, 101, 205), (280, 330, 425)), 151, (0, 17)
TOP, CHIN, LEFT, RIGHT, NOSE = 10, 152, 234, 454, 1
EYE_CORNERS, MOUTH_CORNERS, JAW = (33, 133, 362, 263), (61, 291), (172, 397)
NAMES = (
    "yaw", "pitch", "roll", "mouth width", "mouth corners", "mouth open", "eyes open", "brows", "face width",
    "jaw width", "face size", "skin lightness", "skin red", "skin yellow", "hair lightness", "hair red", "hair yellow",
    "hair length", "background lightness", "light from the left", "lip red", "detail",
)  # fmt: skip


@dataclass
class Faces:
    """Measurements of N pictures, one row each; rows without exactly one face are NaN but for count and small.

    count [N] int; points [N, 468, 2] in shares of the picture's side; attributes [N, len(NAMES)]; energy [N] of the
    high frequencies inside the face, grey levels squared; crops [N, CROP, CROP, 3] aligned on the eyes; small uint8
    [N, 32, 32, 3].
    """

    count: np.ndarray
    points: np.ndarray
    attributes: np.ndarray
    energy: np.ndarray
    crops: np.ndarray
    small: np.ndarray

    @property
    def whole(self) -> np.ndarray:
        """Which rows have exactly one face, bool [N]."""
        return self.count == 1

    def columns(self, *names: str) -> np.ndarray:
        """[M, len(names)] attributes of the rows with one face."""
        return self.attributes[self.whole][:, [NAMES.index(name) for name in names]]


def measure(pictures: Iterable[np.ndarray]) -> Faces:
    """Faces of uint8 [R, R, 3] RGB pictures, all of one size."""
    from graphs.facemesh import FaceMesh

    mesh = FaceMesh(most=3)
    rows = [_measure_one(picture, mesh) for picture in pictures]
    return Faces(*(np.stack(column) for column in zip(*rows)))


def _measure_one(picture: np.ndarray, mesh) -> tuple:
    from PIL import Image

    large = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    small = np.asarray(Image.fromarray(picture).resize((32, 32), Image.Resampling.BOX))
    found = mesh(large)
    if len(found) != 1:
        nan = np.full((N_POINTS, 2), np.nan, np.float32)
        crop = np.full((CROP, CROP, 3), np.nan, np.float32)
        return len(found), nan, np.full(len(NAMES), np.nan, np.float32), np.float32(np.nan), crop, small
    points = (found[0][:, :2] + np.float32(0.5)) / np.float32(SIDE)
    energy = face_energy(picture, points)
    return 1, points, attributes_of(large, points, energy), energy, aligned_crop(large, points), small


def face_energy(picture: np.ndarray, points: np.ndarray) -> np.float32:
    """Mean square of what a blur of one pixel takes away from the luminance inside the inner face, grey levels^2."""
    import cv2

    grey = cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY).astype(np.float32)
    fine = grey - cv2.GaussianBlur(grey, (0, 0), 1.0)
    scaled = points * len(picture)
    hull = cv2.convexHull((scaled.mean(axis=0) + 0.85 * (scaled - scaled.mean(axis=0))).astype(np.int32))
    mask = cv2.fillConvexPoly(np.zeros(grey.shape, np.uint8), hull, 1) > 0
    return np.float32(np.square(fine[mask]).mean()) if mask.any() else np.float32(np.nan)


def aligned_crop(large: np.ndarray, points: np.ndarray) -> np.ndarray:
    """float32 [CROP, CROP, 3] in 0 to 1 with the eyes at fixed places, hair and collar included."""
    import cv2

    eyes = points[[33, 133]].mean(axis=0), points[[362, 263]].mean(axis=0)
    (x0, y0), (x1, y1) = eyes[0] * SIDE, eyes[1] * SIDE
    dx, dy = x1 - x0, y1 - y0
    scale = 0.26 * 96 / max(np.hypot(dx, dy), 1e-3)
    angle = np.arctan2(dy, dx)
    c, s = scale * np.cos(angle), scale * np.sin(angle)
    middle = np.array([(x0 + x1) / 2, (y0 + y1) / 2])
    matrix = np.array([[c, s, 0], [-s, c, 0]], np.float32)
    matrix[:, 2] = np.array([48, 44]) - matrix[:, :2] @ middle
    crop = cv2.warpAffine(large, matrix, (96, 96), borderMode=cv2.BORDER_REPLICATE)
    return cv2.resize(crop, (CROP, CROP), interpolation=cv2.INTER_AREA).astype(np.float32) / 255


def attributes_of(large: np.ndarray, points: np.ndarray, energy: float) -> np.ndarray:
    """float32 [len(NAMES)] of a uint8 [SIDE, SIDE, 3] picture whose face has these points (shares of the side)."""
    import cv2

    lab = cv2.cvtColor(large.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)
    p = points * SIDE
    across, down = p[RIGHT] - p[LEFT], p[CHIN] - p[TOP]
    width, height = np.linalg.norm(across), np.linalg.norm(down)
    x, y = across / width, down / height
    at = lambda place: _patch(lab, place, 0.04 * height)  # noqa: E731
    cheeks = [np.mean([at(p[i]) for i in side], axis=0) for side in CHEEKS]
    skin = np.mean([*cheeks, at(p[FOREHEAD])], axis=0)
    crown = p[TOP] - 0.27 * height * y
    hair = np.median([at(crown + shift * width * x) for shift in (-0.2, 0, 0.2)], axis=0)
    back = np.mean([_patch(lab, np.array(corner), 10) for corner in ((10, 10), (SIDE - 10, 10))], axis=0)
    beside = [at(p[j] + sign * 0.22 * width * x + 0.12 * height * y) for j, sign in zip(JAW, (-1, 1))]
    length = np.mean([_likeness(colour, hair, back) for colour in beside])
    lips = np.mean([at(p[i]) for i in LIPS], axis=0)
    values = _shape_attributes(p, x, y, width, height)
    values += [*skin, *hair, length, back[0], cheeks[0][0] - cheeks[1][0], lips[1] - skin[1], np.log2(energy + 1e-3)]
    return np.array(values, np.float32)


def _shape_attributes(p: np.ndarray, x: np.ndarray, y: np.ndarray, width: float, height: float) -> list[float]:
    eyes, mouth = p[list(EYE_CORNERS)].mean(axis=0), p[list(MOUTH_CORNERS)].mean(axis=0)
    between = max((mouth - eyes) @ y, 1e-3)
    gap = lambda a, b: float(np.linalg.norm(p[a] - p[b]))  # noqa: E731
    line = p[263] - p[33]
    return [
        float((p[NOSE] - (p[LEFT] + p[RIGHT]) / 2) @ x / width),
        float((p[NOSE] - eyes) @ y / between),
        float(np.degrees(np.arctan2(line[1], line[0]))),
        gap(*MOUTH_CORNERS) / width,
        float(((p[13] + p[14]) / 2 - mouth) @ y / height),
        gap(13, 14) / height,
        (gap(159, 145) + gap(386, 374)) / max(gap(33, 133) + gap(362, 263), 1e-3),
        float((eyes - (p[105] + p[334]) / 2) @ y / height),
        float(width / height),
        gap(*JAW) / width,
        float(height / SIDE),
    ]


def _patch(lab: np.ndarray, place: np.ndarray, radius: float) -> np.ndarray:
    """Median Lab [3] around a place (x, y); the nearest pixels where it lies outside."""
    r = max(int(radius), 1)
    cx, cy = np.clip(np.round(place).astype(int), r, SIDE - 1 - r)
    return np.median(lab[cy - r : cy + r + 1, cx - r : cx + r + 1].reshape(-1, 3), axis=0)


def _likeness(colour: np.ndarray, one: np.ndarray, other: np.ndarray) -> float:
    """1: the first colour, 0: the second."""
    to_one, to_other = np.linalg.norm(colour - one), np.linalg.norm(colour - other)
    return float(to_other / max(to_one + to_other, 1e-6))


def align_shapes(points: np.ndarray, reference: np.ndarray | None = None) -> tuple[np.ndarray, np.ndarray]:
    """(points [N, 468, 2] moved, turned and scaled onto a reference, the reference [468, 2] of norm 1).

    None: the mean shape, in three rounds of generalised Procrustes analysis.
    """
    centred = points - points.mean(axis=1, keepdims=True)
    centred = centred / np.linalg.norm(centred, axis=(1, 2), keepdims=True)
    rounds = 1 if reference is not None else 3
    reference = centred[0] if reference is None else reference
    for _ in range(rounds):
        real = np.einsum("npk,pk->n", centred, reference)
        cross = np.einsum("np,p->n", centred[..., 0], reference[:, 1]) - np.einsum(
            "np,p->n", centred[..., 1], reference[:, 0]
        )
        norm = np.hypot(real, cross)
        c, s = (real / norm)[:, None], (cross / norm)[:, None]
        x, y = centred[..., 0], centred[..., 1]
        turned = np.stack([c * x - s * y, s * x + c * y], axis=2)
        if rounds > 1:
            reference = turned.mean(axis=0) / np.linalg.norm(turned.mean(axis=0))
    return turned, reference


def training_faces(
    folder: str | Path, side: int, cache: str | Path, flip: bool = True
) -> tuple[Faces, list[str], list[str]]:
    """(Faces, group of each, path of each) of all pictures below a folder at `side` pixels; measured once.

    flip: every picture is turned left to right or not by the toss of a coin (always the same), as training shows them.
    Portraits, and Face Mesh, know left from right: 900 of the shared portraits, half of them mirrored, are 41 times as
    far from the collection as it was found, by the shapes, as two halves of that from each other.
    """
    from tqdm.auto import tqdm

    from sgan.data.archive import open_source
    from sgan.data.pictures import decode_image

    with open_source(folder) as source:
        entries = source.entries
        listing = "\n".join(f"{entry.name} {entry.size} {entry.stamp}" for entry in entries)
        tosses = np.random.default_rng(0).random(len(entries)) < 0.5 * flip
        key = hashlib.sha256(f"{VERSION} {side}{' flip' * flip}\n{listing}".encode()).hexdigest()[:16]
        path = Path(cache) / f"faces-{side}-{key}.npz"
        if path.is_file():
            with np.load(path) as file:
                faces = Faces(*(file[f.name] for f in fields(Faces)))
        else:
            bar = tqdm(entries, desc=f"measuring {folder} at {side} pixels", unit="img")
            turned = zip(bar, tosses)
            faces = measure(_turned(decode_image(entry, side), toss) for entry, toss in turned)
            path.parent.mkdir(parents=True, exist_ok=True)
            np.savez_compressed(path, **{f.name: getattr(faces, f.name) for f in fields(Faces)})
        return faces, [str(entry.parent) for entry in entries], [str(entry) for entry in entries]


def _turned(picture: np.ndarray, flip: bool) -> np.ndarray:
    return np.ascontiguousarray(picture[:, ::-1]) if flip else picture

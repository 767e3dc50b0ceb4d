"""Pictures of faces and the landmarks that MediaPipe 0.10.21 saw in them, with the detectors and the mesh it ships.

tests/vectors/mediapipe_faces.npz holds, by picture: "NAME/short", "NAME/full": its two detectors, rows of (score, box
x0 y0 x1 y1, six points x y); "NAME/mesh": the mesh [N, 468, 3] of at most three faces; "NAME/find": what this project
found when it ran on MediaPipe. "crops/mesh": the mesh network alone on `crops()`, NaN where it saw no face. All in
pixels, whole numbers on pixel centres. tests/vectors/portraits.png are twelve faces of the shipped checkpoint.
"""

from functools import cache
from pathlib import Path

import cv2
import numpy as np
from PIL import Image
from skimage import data

VECTORS = Path(__file__).parent / "vectors"
PHOTO = np.ascontiguousarray(data.astronaut())
PICTURES = ["photo", "mirrored", "close", "large", "half", "cut", "wide", "small", "nobody", "sheet", "sheet twice"]
TILTS = [-50, -25, 25, 50]
PORTRAITS = 12
PICTURES += [f"tilted {angle}" for angle in TILTS] + [f"portrait {number}" for number in range(PORTRAITS)]


def twice(image: np.ndarray) -> np.ndarray:
    """Returns a picture of twice the size, of the same pixels."""
    return image.repeat(2, 0).repeat(2, 1)


@cache
def portraits() -> np.ndarray:
    """Returns uint8 [384, 512, 3]: four columns and three rows of faces."""
    return np.asarray(Image.open(VECTORS / "portraits.png").convert("RGB"))


@cache
def known(name: str) -> np.ndarray:
    """Returns the old result of that name."""
    with np.load(VECTORS / "mediapipe_faces.npz") as file:
        return file[name]


def picture(name: str) -> np.ndarray:
    """Returns one of the PICTURES, uint8 [H, W, 3]."""
    kind, _, number = name.partition(" ")
    if kind == "portrait":
        y, x = 128 * (int(number) // 4), 128 * (int(number) % 4)
        return np.ascontiguousarray(portraits()[y : y + 128, x : x + 128])
    if kind == "tilted":
        matrix = cv2.getRotationMatrix2D((225, 130), int(number), 1.0)
        return cv2.warpAffine(PHOTO, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    made = {
        "photo": lambda: PHOTO,
        "mirrored": lambda: PHOTO[:, ::-1],
        "close": lambda: PHOTO[0:256, 96:352],
        "large": lambda: twice(PHOTO[20:220, 120:330]),
        "half": lambda: PHOTO[::2, ::2],
        "cut": lambda: PHOTO[:, 190:400],
        "wide": lambda: np.pad(PHOTO[::2, ::2], ((100, 364), (700, 324), (0, 0)), constant_values=128),
        "small": lambda: np.pad(PHOTO[::4, ::4], ((60, 532), (1000, 152), (0, 0)), constant_values=190),
        "nobody": lambda: PHOTO[300:, :200],
        "sheet": portraits,
        "sheet twice": lambda: twice(portraits()),
    }
    return np.ascontiguousarray(made[name]())


def crops() -> list[np.ndarray]:
    """Returns squares uint8 [192, 192, 3] as the mesh network sees them; the fifth shows nobody."""
    photos = [PHOTO[30:222, 130:322], PHOTO[20:212, 140:332], picture("mirrored")[30:222, 190:382]]
    photos += [picture("tilted 25")[30:222, 130:322], PHOTO[300:492, 0:192]]
    faces = [twice(picture(f"portrait {number}")[12:108, 16:112]) for number in range(PORTRAITS)]
    return [np.ascontiguousarray(crop) for crop in photos + faces]

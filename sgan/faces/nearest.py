"""Which training pictures a generated face resembles most: whether a generator makes people up or repeats them."""

import numpy as np
from PIL import Image

SIDE = 32  # pixels at which pictures are compared
CHUNK = 4096  # pictures compared at once


def nearest_images(pixels: np.ndarray, picture: np.ndarray, count: int = 6) -> tuple[np.ndarray, np.ndarray]:
    """(indices [count], distances [count]) of the training pictures nearest to one, nearest first.

    pixels uint8 [N, R, R, 3], picture uint8 [S, S, 3]. Distances are the root of the mean squared difference in grey
    levels at R x R, to the picture or its mirror image, whichever is nearer.
    """
    side = pixels.shape[1]
    small = np.asarray(Image.fromarray(picture).resize((side, side), Image.Resampling.BOX), np.float32)
    targets = np.stack([small, small[:, ::-1]])
    distances = []
    for start in range(0, len(pixels), CHUNK):
        part = np.asarray(pixels[start : start + CHUNK], np.float32)
        squares = [np.square(part - target).mean(axis=(1, 2, 3)) for target in targets]
        distances.append(np.sqrt(np.minimum(*squares)))
    distance = np.concatenate(distances)
    order = np.argsort(distance, kind="stable")[:count]
    return order, distance[order]

"""Pairs to learn detail from: crops of pictures, and what is left of them at a quarter of the side."""

import hashlib
from collections.abc import Iterator

import cv2
import numpy as np
from PIL import Image

from sgan.config import DETAIL_SCALE as SCALE
from sgan.data.dataset import DataError, Dataset, Sampler

HOLD_OUT = 32  # one picture of so many is kept out of training, to judge with
SHRUNK_SHARE, SHRUNK_LEAST = 0.3, 0.65  # of the crops; smallest scale
PAINT_SHARE, PAINT_RANGE = 0.3, (15.0, 60.0)  # grey levels that flow together, as in a generator's flat hair and skin
BLUR_SHARE, BLUR_MOST = 0.4, 0.8  # standard deviation in pixels of the small picture
NOISE_SHARE, NOISE_MOST = 0.4, 5.0  # standard deviation in grey levels
BLOTCH_SHARE, BLOTCH_SIZE = 0.5, (0.7, 2.0)  # of the noise; pixels
JPEG_SHARE, JPEG_QUALITY = 0.3, (50, 96)


def is_held_out(name: str) -> bool:
    """Whether a picture of this name (its folders do not matter) is kept for judging."""
    return hashlib.sha256(name.rpartition("/")[2].encode()).digest()[0] % HOLD_OUT == 0


def split_pictures(dataset: Dataset) -> tuple[tuple[np.ndarray, ...], np.ndarray]:
    """(indices to train on by group, indices held out); DataError when one of them is none."""
    held = np.array([is_held_out(name) for name in dataset.names])
    if held.all() or not held.any():
        raise DataError(f"{len(held)} pictures are too few: one in about {HOLD_OUT} is held out to judge with")
    groups = tuple(group[~held[group]] for group in dataset.groups)
    return tuple(group for group in groups if len(group)), np.flatnonzero(held)


def draw_crop(picture: np.ndarray, side: int, rng: np.random.Generator) -> np.ndarray:
    """A random uint8 [side, side, 3] of a picture [R, R, 3]; some of them of the picture made smaller."""
    scale = rng.uniform(SHRUNK_LEAST, 1.0) if rng.random() < SHRUNK_SHARE else 1.0
    taken = min(round(side / scale), *picture.shape[:2])
    y, x = (int(rng.integers(0, length - taken + 1)) for length in picture.shape[:2])
    crop = picture[y : y + taken, x : x + taken]
    return crop if taken == side else cv2.resize(crop, (side, side), interpolation=cv2.INTER_AREA)


def shrink(crop: np.ndarray, method: Image.Resampling = Image.Resampling.BOX) -> np.ndarray:
    """uint8 [H, W, 3] -> [H/4, W/4, 3], antialiased."""
    h, w = crop.shape[:2]
    return np.asarray(Image.fromarray(crop).resize((w // SCALE, h // SCALE), method))


def degrade(crop: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """uint8 [H, W, 3] -> [H/4, W/4, 3] as small pictures are found: by any of three filters, some painted, a
    little soft, noisy in grains or blotches, or packed as JPEG."""
    methods = (Image.Resampling.BOX, Image.Resampling.BICUBIC, Image.Resampling.LANCZOS)
    small = shrink(crop, methods[rng.integers(len(methods))])
    if rng.random() < PAINT_SHARE:
        small = cv2.bilateralFilter(small, 5, rng.uniform(*PAINT_RANGE), 1.5)
    if rng.random() < BLUR_SHARE:
        small = cv2.GaussianBlur(small, (0, 0), rng.uniform(0.2, BLUR_MOST))
    if rng.random() < NOISE_SHARE:
        small = np.clip(small + _draw_noise(small.shape, rng) + 0.5, 0, 255).astype(np.uint8)
    if rng.random() < JPEG_SHARE:
        _, packed = cv2.imencode(".jpg", small, [cv2.IMWRITE_JPEG_QUALITY, int(rng.integers(*JPEG_QUALITY))])
        small = cv2.imdecode(packed, cv2.IMREAD_COLOR)
    return small


def _draw_noise(shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    """Coloured grains or blotches of grey levels around 0."""
    noise = rng.standard_normal(shape)
    if rng.random() < BLOTCH_SHARE:
        noise = cv2.GaussianBlur(noise, (0, 0), rng.uniform(*BLOTCH_SIZE))
    return noise / noise.std() * rng.uniform(0, NOISE_MOST)


def pair_batches(
    dataset: Dataset, side: int, batch_size: int, balance: float, seed: int, start_nimg: int = 0
) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Endless (small uint8 [N, 3, side, side], large uint8 [N, 3, 4 side, 4 side]); the n-th pair is a function of
    (seed, n) alone."""
    groups, _ = split_pictures(dataset)
    sampler = Sampler(groups, balance, True, seed)
    pixels = dataset.pixels[max(dataset.pixels)]
    nimg = start_nimg
    while True:
        pairs = []
        for n in range(nimg, nimg + batch_size):
            rng = np.random.default_rng((seed, 1, n))
            index, mirrored = sampler[n]
            crop = draw_crop(pixels[index, :, ::-1] if mirrored else pixels[index], SCALE * side, rng)
            crop = np.ascontiguousarray(crop)
            pairs.append((degrade(crop, rng), crop))
        yield tuple(np.stack(part).transpose(0, 3, 1, 2) for part in zip(*pairs))
        nimg += batch_size

"""Arrays as files in memory, enlarged for the eye, and side by side."""

import io

import numpy as np
from PIL import Image

SMALLEST_SHOWN = 320  # a picture is enlarged by a whole factor to at least about this side, pixels


def to_png(image: np.ndarray) -> bytes:
    """PNG bytes of a uint8 [H, W, 3] RGB picture."""
    return _to_bytes(image, "PNG", compress_level=1)


def to_jpeg(image: np.ndarray, quality: int = 90) -> bytes:
    """JPEG bytes of a uint8 [H, W, 3] RGB picture."""
    return _to_bytes(image, "JPEG", quality=quality)


def _to_bytes(image: np.ndarray, kind: str, **settings: int) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(image).save(buffer, kind, **settings)
    return buffer.getvalue()


def enlarge(image: np.ndarray, at_least: int = SMALLEST_SHOWN) -> np.ndarray:
    """uint8 [H, W, 3] with every pixel repeated so that the longer side is near `at_least` or above."""
    factor = max(1, round(at_least / max(image.shape[:2])))
    return image.repeat(factor, axis=0).repeat(factor, axis=1)


def smooth_enlarge(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 [side, side, 3] of a smaller square picture, by Lanczos; a larger one is returned as it is."""
    return image if len(image) >= side else _resize(image, side, side)


def _resize(image: np.ndarray, width: int, height: int) -> np.ndarray:
    return np.asarray(Image.fromarray(image).resize((width, height), Image.Resampling.LANCZOS))


def side_by_side(*pictures: np.ndarray | None) -> np.ndarray | None:
    """uint8 pictures in a row at the height of the highest; None where there is none."""
    shown = [picture for picture in pictures if picture is not None]
    height = max(map(len, shown), default=0)
    parts = [_resize(picture, round(picture.shape[1] * height / len(picture)), height) for picture in shown]
    return np.concatenate(parts, axis=1) if parts else None

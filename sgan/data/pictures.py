"""Picture files as people see them: upright, in sRGB, without transparency, 8 bits a channel."""

import io
import struct
from functools import lru_cache
from pathlib import Path

import numpy as np
from PIL import Image, ImageCms, ImageOps, UnidentifiedImageError

from sgan.data.archive import DataError, Entry, read_file

TIFF_BITS, TIFF_COMPRESSION, TIFF_PHOTOMETRIC, TIFF_PLANAR = 258, 259, 262, 284
UNCOMPRESSED, WHITE_IS_ZERO, PLANES_APART = 1, 0, 2  # values of the last three


def decode_image(path: str | Path | Entry, resolution: int) -> np.ndarray:
    """One picture as uint8 [resolution, resolution, 3] RGB: turned upright, centre square, area-averaged.

    Transparency is laid on white, 16 bits are scaled to 8, inks and colour profiles are turned into sRGB. DataError
    naming the file when it cannot be read.
    """

    def convert(data: bytes) -> np.ndarray:
        image, profile = _open_flat(data, resolution)
        method = Image.Resampling.BOX if min(image.size) >= 2 * resolution else Image.Resampling.LANCZOS
        return np.asarray(_to_srgb(ImageOps.fit(image, (resolution, resolution), method), profile))

    return _guarded(path, convert)


def decode_whole(path: str | Path | Entry) -> tuple[np.ndarray, str]:
    """One picture as (uint8 [H, W, 3] RGB, upright and in its own size and colour space; "JPEG, CMYK" and the like).

    DataError naming the file when it cannot be read.
    """

    def convert(data: bytes) -> tuple[np.ndarray, str]:
        with Image.open(io.BytesIO(data)) as image:
            kind = f"{image.format}, {_deep_mode(image)}"
        return np.asarray(_open_flat(data, None)[0].convert("RGB")), kind

    return _guarded(path, convert)


def _guarded(path: str | Path | Entry, convert):
    """convert(bytes of the file); whatever goes wrong becomes a DataError naming the file."""
    try:
        data = path.read() if isinstance(path, Entry) else read_file(path)
        if not data:
            raise DataError("it is empty")
        return convert(data)
    except UnidentifiedImageError:
        reason = "it holds no picture in a known format"
    except MemoryError:
        reason = "it is too large for the memory"
    except OSError as error:
        reason = error.strerror or str(error)
    except struct.error:
        reason = "it is damaged"
    except Exception as error:  # damaged files raise nearly everything, and none may end a training
        reason = str(error) or type(error).__name__
    raise DataError(f"{path} cannot be read as an image ({reason})")


def _open_flat(data: bytes, resolution: int | None) -> tuple[Image.Image, bytes | None]:
    """(image in RGB, L, CMYK or LAB, upright and opaque; its colour profile); a JPEG of 2 x resolution if larger."""
    with Image.open(io.BytesIO(data)) as image:
        if resolution is not None:
            image.draft("RGB", (resolution * 2, resolution * 2))  # JPEG: decode at a fraction of the size
        tags = dict(getattr(image, "tag_v2", {}))
        profile = image.info.get("icc_profile")
        if _is_misread(tags):
            raise DataError("its 16-bit colour planes lie apart: save it with interleaved channels")
        try:
            image = ImageOps.exif_transpose(image)
        except (OSError, ValueError, SyntaxError, MemoryError):
            raise
        except Exception:  # a picture with a broken EXIF block is still a picture
            image.load()
    return _flatten(image, tags), profile


def _is_misread(tags: dict) -> bool:
    """Whether it is the one kind of TIFF that Pillow decodes without complaint to wrong colours."""
    apart = tags.get(TIFF_PLANAR) == PLANES_APART and tags.get(TIFF_COMPRESSION) == UNCOMPRESSED
    return apart and max(tags.get(TIFF_BITS, (8,))) > 8


def _flatten(image: Image.Image, tags: dict) -> Image.Image:
    """An opaque 8-bit image; DataError for numbers whose white cannot be known."""
    if image.mode.startswith("I") or image.mode == "F":
        values = np.asarray(image).astype(np.float32) / (1 if image.mode == "F" else 65535)
        if not (values.min() >= 0 and values.max() <= 1):
            raise DataError("its numbers have no known white: save it with 8 or 16 bits a channel")
        if tags.get(TIFF_PHOTOMETRIC) == WHITE_IS_ZERO:
            values = 1 - values
        return Image.fromarray((values * 255 + 0.5).astype(np.uint8))
    if image.mode in ("RGBA", "LA", "PA", "La", "RGBa") or "transparency" in image.info:
        for mode in {"La": ("LA", "RGBA")}.get(image.mode, ("RGBA",)):
            image = image.convert(mode)
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    return image if image.mode in ("CMYK", "LAB") else image.convert("RGB")


def _to_srgb(image: Image.Image, profile: bytes | None) -> Image.Image:
    """The image in sRGB; a profile that does not fit the pixels is passed over, as viewers do."""
    if profile or image.mode == "LAB":
        try:
            return ImageCms.applyTransform(image, _transform(profile, image.mode))
        except (ImageCms.PyCMSError, ValueError, OSError):
            pass
    return image.convert("RGB")


@lru_cache(maxsize=16)
def _transform(profile: bytes | None, mode: str) -> ImageCms.ImageCmsTransform:
    source = ImageCms.ImageCmsProfile(io.BytesIO(profile)) if profile else ImageCms.createProfile("LAB")
    return ImageCms.buildTransform(source, ImageCms.createProfile("sRGB"), mode, "RGB")


def _deep_mode(image: Image.Image) -> str:
    """Pillow's mode, with (16 bit) where the file holds more than Pillow's mode says."""
    bits = getattr(image, "tag_v2", {}).get(TIFF_BITS, ())
    raw = [str(tile[3]) for tile in getattr(image, "tile", [])]
    deep = any(b >= 16 for b in bits) or any("16" in text for text in raw)
    return f"{image.mode} (16 bit)" if deep and image.mode in ("RGB", "RGBA", "LA", "L") else image.mode

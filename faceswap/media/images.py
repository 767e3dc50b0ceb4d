"""Reading and writing of pictures: the one place where files become RGB uint8 arrays and back.

Inside the package an image is uint8 [H, W, 3], RGB. What a file holds beside that (alpha, EXIF, ICC profile,
resolution) travels in a `Picture` and is written back with the result.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import warnings
from collections import Counter
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from PIL import Image, PngImagePlugin

from provenance import COMPOSITE, Mark, whole_file, write_image
from provenance.files import FORMATS

OUTPUT_SUFFIXES = tuple(FORMATS)
PHOTO_SUFFIXES = (*FORMATS, ".bmp", ".jfif", ".ppm", ".pgm", ".gif")
ORIENTATION = 0x0112
UPRIGHT = {  # what turns a picture with that orientation upright
    2: Image.Transpose.FLIP_LEFT_RIGHT,
    3: Image.Transpose.ROTATE_180,
    4: Image.Transpose.FLIP_TOP_BOTTOM,
    5: Image.Transpose.TRANSPOSE,
    6: Image.Transpose.ROTATE_270,
    7: Image.Transpose.TRANSVERSE,
    8: Image.Transpose.ROTATE_90,
}
NOTE = "Random Unreal Face"  # the PNG text that says how a plain picture was made


@dataclass(frozen=True)
class Picture:
    """One picture and what its file said about it."""

    rgb: np.ndarray  # uint8 [H, W, 3], upright
    alpha: np.ndarray | None = None  # uint8 [H, W]
    grey: bool = False  # the file has a single channel; it is written back with one
    exif: bytes | None = None  # orientation reset to upright, thumbnail dropped
    icc_profile: bytes | None = None
    dpi: tuple[float, float] | None = None


def read_picture(path: str | Path, least: int | None = None) -> Picture:
    """Returns the picture in a file, turned upright as its EXIF says; 16 bits are reduced to 8.

    Args:
        least: of the shorter side in pixels, for a picture that may be smaller than the file's: a JPEG is then decoded
            at a half, a quarter or an eighth of its size, in a fraction of the time.

    Raises:
        FileNotFoundError: no such file.
        ValueError: not a picture, cut short, or too large to be meant seriously.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, not a picture")
    return _decode(path, path, least)


def decode_picture(content: bytes, name: str) -> Picture:
    """Returns the picture in the bytes of a file, as `read_picture` does; ValueError with the name if it is none."""
    return _decode(io.BytesIO(content), name)


def _decode(source: Path | io.BytesIO, name: str | Path, least: int | None = None) -> Picture:
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            with Image.open(source) as image:
                if least:
                    image.draft(None, (least, least))
                image.load()
                return _to_picture(image)
    except PermissionError:
        raise
    except Image.DecompressionBombError:
        raise ValueError(f"{name}: has too many pixels; give a picture below 179 megapixels") from None
    except Exception as error:  # Pillow's decoders raise OSError, SyntaxError, struct.error, EOFError, ...
        reason = str(error).splitlines()[0] if str(error) else type(error).__name__
        if isinstance(error, Image.UnidentifiedImageError):
            reason = "not a picture in a known format"
        raise ValueError(f"{name}: cannot be read ({reason})") from None


def read_image(path: str | Path, least: int | None = None) -> np.ndarray:
    """Returns the pixels of a file as uint8 [H, W, 3] RGB, upright. `least` and errors as of `read_picture`."""
    return read_picture(path, least).rgb


def _to_picture(image: Image.Image) -> Picture:
    """Returns an opened Pillow image as a `Picture`."""
    info, mode = image.info, image.mode
    dpi = info.get("dpi")
    profile = info.get("icc_profile") if mode in ("RGB", "RGBA", "L", "LA", "P") else None
    orientation, exif = _clean_exif(image)
    if orientation in UPRIGHT:
        image = image.transpose(UPRIGHT[orientation])
    if mode.startswith("I;16") or mode == "I":
        grey = (np.clip(np.asarray(image, np.float64), 0, 65535) / 257 + 0.5).astype(np.uint8)
        return Picture(np.repeat(grey[:, :, None], 3, 2), None, True, exif, profile, dpi)
    if mode == "F":
        raise ValueError("floating point pixels are not supported; save it with 8 or 16 bits")
    alpha = None
    if mode in ("LA", "La", "PA", "RGBA", "RGBa") or "transparency" in info:
        alpha = np.array(image.convert("RGBA").getchannel("A"))
    return Picture(np.array(image.convert("RGB")), alpha, mode in ("L", "LA", "1"), exif, profile, dpi)


def _clean_exif(image: Image.Image) -> tuple[int | None, bytes | None]:
    """Returns the orientation and the EXIF block as upright and without its thumbnail.

    Each is None where there is none or it is broken: a picture that can be seen is never refused for what is beside it.
    """
    orientation = None
    try:
        exif = image.getexif()
        orientation = exif.get(ORIENTATION)
        if not exif:
            return orientation, None
        exif.pop(ORIENTATION, None)
        return orientation, exif.tobytes()  # Pillow writes the first directory and what it links to, so no thumbnail
    except Exception:
        return orientation, None


def list_photos(folder: str | Path, results: str | Path | None = None) -> list[Path]:
    """Returns the pictures in a folder and the folders below it, sorted; hidden ones are left out.

    Args:
        folder: of the photos.
        results: folder of what is made of them; what lies there already is no photo.

    Raises:
        OSError: there is no such folder, or it is a file.
        ValueError: it holds no picture, or results would lie among the photos.
    """
    folder = Path(folder)
    if not folder.exists():
        raise FileNotFoundError(f"{folder}: no such folder")
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file, not a folder")
    found = [
        path
        for path in sorted(folder.rglob("*"))
        if path.suffix.lower() in PHOTO_SUFFIXES
        and not any(part.startswith(".") for part in path.relative_to(folder).parts)
        and path.is_file()
    ]
    if not found:
        raise ValueError(f"{folder}: holds no pictures ({' '.join(PHOTO_SUFFIXES)})")
    return found if results is None else _without_results(folder, found, Path(results))


def _without_results(folder: Path, photos: list[Path], results: Path) -> list[Path]:
    """Returns the photos that are no results. Errors as `list_photos`."""
    home, beside = folder.resolve(), results.resolve()
    if home in beside.parents:
        photos = [photo for photo in photos if beside not in photo.resolve().parents]
        if not photos:
            raise ValueError(f"{folder}: holds no pictures beside the results")
    elif any(home in (beside / photo.relative_to(folder)).parents for photo in photos):
        raise ValueError(f"{results}: results would lie among the photos; choose another folder for them")
    return photos


def plain_names(folder: Path, photos: list[Path]) -> list[Path]:
    """Returns each photo's path below the folder without its ending, which stays where two would be called alike."""
    whole = [photo.relative_to(folder) for photo in photos]
    names, before = [name.with_suffix("") for name in whole], []
    while names != before:  # an ending that stays may make a name that another has without its own: a.jpg, a.jpg.jpg
        before, counts = names, Counter(str(name).lower() for name in names)
        names = [own if counts[str(name).lower()] > 1 else name for name, own in zip(names, whole)]
    return names


def as_rgb(image: np.ndarray) -> np.ndarray:
    """Returns an array as uint8 [H, W, 3], a view where it is one already.

    Args:
        image: uint8 [H, W], [H, W, 1], [H, W, 3] or [H, W, 4] (alpha is left out); RGB order.

    Raises:
        ValueError: another shape or dtype, or no pixels.
    """
    image = np.asarray(image)
    if image.dtype != np.uint8:
        raise ValueError(f"an image must be uint8, not {image.dtype}")
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] not in (1, 3, 4) or 0 in image.shape:
        raise ValueError(f"an image must be [H, W, 1, 3 or 4], not {list(image.shape)}")
    return np.repeat(image, 3, 2) if image.shape[2] == 1 else image[:, :, :3]


def check_output(
    path: str | Path, inputs: tuple[str | Path, ...] = (), suffixes: tuple[str, ...] = OUTPUT_SUFFIXES
) -> Path:
    """Returns the path once it is certain that a file can be written there; makes nothing yet.

    Args:
        path: the file to come.
        inputs: files that must not be overwritten.
        suffixes: the endings that name a format.

    Raises:
        ValueError: an ending that names no format, or one of the inputs.
        OSError: the folder cannot be made or written to, or the path is a folder.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        raise ValueError(f"{path}: unknown ending {path.suffix or '(none)'!r}; use one of {' '.join(suffixes)}")
    if path.is_dir():
        raise IsADirectoryError(f"{path}: is a folder; give the name of a file in it")
    if path.exists() and any(Path(name).exists() and path.samefile(Path(name)) for name in inputs):
        raise ValueError(f"{path}: would overwrite an input; choose another name for the result")
    check_folder(path.parent)
    if path.exists() and not os.access(path, os.W_OK):
        raise PermissionError(f"{path}: cannot be written there (permission denied)")
    return path


def check_folder(path: str | Path) -> None:
    """Checks that files can be written into a folder that exists or can be made; makes nothing yet.

    Raises:
        OSError: it is a file or below one, or not ours to write to.
    """
    folder = Path(path)
    while not folder.exists() and folder != folder.parent:
        folder = folder.parent
    if not folder.is_dir():
        raise NotADirectoryError(f"{folder}: is a file, so no folder can be made there")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise PermissionError(f"{folder}: cannot be written to (permission denied)")


def write_picture(path: str | Path, picture: Picture, settings: dict, quality: int = 95) -> None:
    """Writes a swapped picture, marked as a composite with the settings it was made by.

    Grey stays grey, and alpha is kept where the format has it; EXIF, ICC profile and resolution go along.

    Raises:
        OSError, ValueError: from `provenance.write_image`, one sentence.
    """
    pixels = picture.rgb[:, :, 0] if picture.grey else picture.rgb
    if picture.alpha is not None and Path(path).suffix.lower() in (".png", ".webp", ".tif", ".tiff"):
        pixels = np.dstack([picture.rgb, picture.alpha])
    write_image(
        path,
        np.ascontiguousarray(pixels),
        Mark(COMPOSITE, settings),
        quality=quality,
        exif=picture.exif,
        icc_profile=picture.icc_profile,
        dpi=picture.dpi,
    )


def write_plain(path: str | Path, rgb: np.ndarray, note: dict | None = None) -> None:
    """Writes pixels that are nobody's work of synthesis (a gallery of found faces, a cut-out); whole or not at all.

    Args:
        path: with an ending that names a format; its folder is made.
        rgb: uint8 [H, W, 3].
        note: how it was made, in what JSON knows, for `read_note`; only PNG holds it.
    """
    text = PngImagePlugin.PngInfo()
    if note is not None:
        text.add_text(NOTE, json.dumps(note))
    with whole_file(Path(path)) as file:
        Image.fromarray(rgb).save(file, format=FORMATS[Path(path).suffix.lower()], quality=95, pnginfo=text)


def read_note(path: str | Path) -> dict | None:
    """Returns the note of a PNG that `write_plain` wrote, None where there is no such file or no note of ours."""
    try:
        with Image.open(path, formats=("PNG",)) as image:
            note = json.loads(image.info[NOTE])
    except Exception:  # whatever a decoder may raise
        return None
    return note if isinstance(note, dict) else None


def with_pixels(picture: Picture, rgb: np.ndarray) -> Picture:
    """Returns the picture with other pixels of the same size; everything else is kept."""
    return replace(picture, rgb=rgb)


def file_sha256(path: str | Path) -> str:
    """Returns the SHA-256 of a file's bytes as hexadecimal digits."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        for block in iter(lambda: file.read(1 << 20), b""):
            digest.update(block)
    return digest.hexdigest()

"""Pictures on disk that say they are synthetic: written whole or not at all, and read back."""

import os
import shutil
import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

from PIL import ExifTags, Image, PngImagePlugin

from provenance.gif import read_packet
from provenance.leftovers import temporary_beside
from provenance.mark import Mark
from provenance.xmp import from_xmp, to_xmp

if TYPE_CHECKING:
    import numpy as np

FORMATS = {".png": "PNG", ".jpg": "JPEG", ".jpeg": "JPEG", ".webp": "WEBP", ".tif": "TIFF", ".tiff": "TIFF"}
XMP_TAG = 700
JPEG_SEGMENT = 65533 - 29  # bytes of XMP in one APP1 segment, less the length of its name
JPEG_EXIF = 65533
MAX_DPI = 65535
FULL_CHROMA_QUALITY = 90  # from here on a JPEG keeps its colours at full resolution

# EXIF tags that are not passed on: how a TIFF stores its own pixels; XMP, IPTC, Photoshop, ICC of the old picture.
STORAGE_TAGS = {*range(254, 267), 273, *range(277, 282), 284, *range(288, 296), 301, *range(317, 348), *range(512, 533)}
STALE_TAGS = {XMP_TAG, 33723, 34377, 34675}


def write_image(
    path: str | os.PathLike[str],
    image: "np.ndarray",
    mark: Mark,
    *,
    quality: int = 95,
    exif: bytes | Image.Exif | None = None,
    icc_profile: bytes | None = None,
    dpi: float | tuple[float, float] | None = None,
) -> None:
    """Write a picture that carries its mark; the file appears whole or not at all, its folder is made.

    path: the suffix chooses the format: .png, .jpg, .jpeg, .webp, .tif, .tiff. An old file is replaced.
    image: uint8 [H, W, 3] RGB, [H, W, 4] RGBA or [H, W] grey. JPEG has no transparency and refuses RGBA.
    quality: 1 to 100, for JPEG and WebP; WebP at 100 is lossless. PNG and TIFF (uncompressed) always are.
    exif: as Pillow gives it; passed on without its thumbnail, or left out if it cannot be parsed. Its orientation
        tag is passed on too: who turns the pixels upright has to reset it.
    dpi: pixels per inch, one number or (x, y); left out if no file can hold it (zero, not finite, above 65535).
    Raises ValueError for what cannot be written in that format, OSError if the disk refuses.
    """
    path = Path(path)
    options = _save_options(path, mark, quality, dpi)
    picture = _to_picture(path, image)
    _add_exif(path, options, exif)
    if icc_profile:
        options["icc_profile"] = icc_profile
    with whole_file(path) as file:
        try:
            picture.save(file, **options)
        except (ValueError, TypeError, RuntimeError, SyntaxError, struct.error) as error:
            raise ValueError(f"{path} cannot be written as {options['format']}: {error}") from None


def read_mark(path: str | os.PathLike[str]) -> Mark | None:
    """Return the mark a picture carries, None if it carries none of ours.

    Raises OSError if there is no file to read, ValueError if it is no readable picture.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            packets = _read_packets(path, file)
    except FileNotFoundError:
        raise FileNotFoundError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise IsADirectoryError(f"{path} is a folder, not a picture") from None
    except OSError as error:
        raise OSError(f"{path} cannot be read: {error.strerror or error}") from None
    return next((mark for mark in map(from_xmp, packets) if mark), None)


def _read_packets(path: Path, file: IO[bytes]) -> list[bytes | str]:
    """Return the XMP packets of an open picture."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # a picture too large for comfort may still tell its mark
            picture = Image.open(file)
        with picture:
            if picture.format == "PNG" and "XML:com.adobe.xmp" not in picture.info:
                picture.load()  # the packet may stand behind the pixels
            if picture.format == "GIF":
                file.seek(0)
                return [packet] if (packet := read_packet(file)) else []
            found = [picture.info.get("xmp"), picture.info.get("XML:com.adobe.xmp")]
            if picture.format == "TIFF":
                found.append(picture.tag_v2.get(XMP_TAG))
    except Exception:  # a broken file makes a decoder raise nearly anything
        raise ValueError(f"{path} is not a readable picture") from None
    return [packet for packet in found if isinstance(packet, (bytes, str))]


def _save_options(path: Path, mark: Mark, quality: int, dpi: float | tuple[float, float] | None) -> dict[str, Any]:
    """Return what Pillow's save needs for the format of that path, the mark included."""
    name = FORMATS.get(path.suffix.lower())
    if name is None:
        raise ValueError(f"{path} has no known picture suffix; use one of {', '.join(FORMATS)}")
    if not 1 <= quality <= 100:
        raise ValueError(f"quality must be from 1 to 100, not {quality}")
    packet = to_xmp(mark)
    options: dict[str, Any] = {"format": name}
    if name == "PNG":
        options["pnginfo"] = PngImagePlugin.PngInfo()
        options["pnginfo"].add_itxt("XML:com.adobe.xmp", packet.decode("utf-8"))
    elif name == "TIFF":
        options["tiffinfo"] = Image.Exif()
        options["tiffinfo"][XMP_TAG] = packet
    else:
        options |= {"xmp": packet, "quality": quality}
    if name == "JPEG" and quality >= FULL_CHROMA_QUALITY:
        options["subsampling"] = 0
    if name == "JPEG" and len(packet) > JPEG_SEGMENT:
        raise ValueError(f"{path}: the settings are too long for a JPEG ({len(packet)} bytes); write a PNG")
    if name == "WEBP":
        options["lossless"] = options["exact"] = quality == 100
    if dpi is not None:
        x, y = dpi if isinstance(dpi, (tuple, list)) else (dpi, dpi)
        if 0 < x <= MAX_DPI and 0 < y <= MAX_DPI:
            options["dpi"] = (float(x), float(y))
    return options


def _to_picture(path: Path, image: "np.ndarray") -> Image.Image:
    """Return a Pillow image of the same pixels; ValueError for arrays that are no picture."""
    dtype, shape = getattr(image, "dtype", None), getattr(image, "shape", ())
    if dtype != "uint8":
        raise ValueError(f"{path}: the picture must be an array of uint8, not {dtype or type(image).__name__}")
    if not (len(shape) == 2 or (len(shape) == 3 and shape[2] in (3, 4))) or 0 in shape:
        raise ValueError(f"{path}: a picture is [H, W], [H, W, 3] or [H, W, 4], not {list(shape)}")
    if FORMATS[path.suffix.lower()] == "JPEG" and shape[2:] == (4,):
        raise ValueError(f"{path}: JPEG cannot hold transparency; use .png, .webp or .tif")
    return Image.fromarray(image)


def _add_exif(path: Path, options: dict[str, Any], exif: bytes | Image.Exif | None) -> None:
    """Put the EXIF, less thumbnail and what describes the old file, into the options."""
    name = options["format"]
    exif = _clean_exif(exif)
    if name == "WEBP" and "dpi" in options:  # WebP has no place of its own for it
        unit, x, y = ExifTags.Base.ResolutionUnit, ExifTags.Base.XResolution, ExifTags.Base.YResolution
        exif[unit], exif[x], exif[y] = 2, float(options["dpi"][0]), float(options["dpi"][1])
    if not len(exif):
        return
    if name == "TIFF":
        exif[XMP_TAG] = options["tiffinfo"][XMP_TAG]
        options["tiffinfo"] = exif
        return
    options["exif"] = exif.tobytes()
    if name == "JPEG" and len(options["exif"]) > JPEG_EXIF:
        raise ValueError(f"{path}: the EXIF is too long for a JPEG ({len(options['exif'])} bytes); write a PNG")


def _clean_exif(exif: bytes | Image.Exif | None) -> Image.Exif:
    """Return a copy that holds no thumbnail; empty if there is nothing to copy or it cannot be parsed."""
    clean = Image.Exif()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            clean.load(exif.tobytes() if isinstance(exif, Image.Exif) else exif or b"")
            for tag in (STORAGE_TAGS | STALE_TAGS) & set(clean):
                del clean[tag]
            clean.load(clean.tobytes())  # tobytes leaves the thumbnail out, and fails on what cannot be kept
    except Exception:  # a stranger's EXIF makes Pillow raise nearly anything
        return Image.Exif()
    return clean


@contextmanager
def whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Yield a temporary file beside `path` that takes its place when the block ends well, else is removed.

    `remove_leftovers` removes what a process leaves that is killed meanwhile. OSError, one sentence, if the disk
    refuses.
    """
    target = Path(os.path.realpath(path))  # a link stays a link
    if target.is_dir():
        raise IsADirectoryError(f"{path} is a folder; name a file")
    temporary = temporary_beside(target)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with temporary.open("xb") as file:
            yield file
            file.flush()
            os.fsync(file.fileno())
        if target.exists():
            shutil.copymode(target, temporary)
        os.replace(temporary, target)
    except OSError as error:
        raise OSError(f"{path} cannot be written: {error.strerror or error}") from None
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
    _sync_folder(target.parent)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Write a file of any kind so that a reader sees the old one or the whole new one; its folder is made."""
    with whole_file(Path(path)) as file:
        file.write(data)


def _sync_folder(folder: Path) -> None:
    """Make the new name survive a power cut, where the system can."""
    with suppress(OSError):
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)

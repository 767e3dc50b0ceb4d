"""The mark of a GIF: an application extension that holds the XMP packet, laid out as part 3 of Adobe's XMP says."""

import shutil
from typing import IO

from provenance.mark import Mark
from provenance.xmp import MAX_PACKET, to_xmp

APPLICATION = b"\x21\xff\x0b"  # an extension, of an application, whose name has 11 bytes
NAME = b"XMP DataXMP"
# The packet stands there as it is, not in blocks that begin with their length. Whoever takes it for such blocks lands
# somewhere in these bytes, each of which is its distance to the last one, and so finds the end.
TRAILER = b"\x01" + bytes(range(255, -1, -1)) + b"\x00"


def copy_marked(source: IO[bytes], target: IO[bytes], mark: Mark) -> None:
    """Copy a GIF and put its mark in front of the first picture, behind the extension that tells how often it loops.

    Raises ValueError if the source is no GIF.
    """
    target.write(_read_head(source))
    start = source.tell()
    while (name := source.read(14)) and name.startswith(APPLICATION) and name[3:] != NAME:
        target.write(name + _read_blocks(source))
        start = source.tell()
    source.seek(start)
    target.write(APPLICATION + NAME + to_xmp(mark) + TRAILER)
    shutil.copyfileobj(source, target)


def read_packet(file: IO[bytes]) -> bytes | None:
    """Return the XMP packet that stands in front of the first picture of a GIF, None if there is none."""
    _read_head(file)
    while (start := file.read(2))[:1] == APPLICATION[:1]:
        if start != APPLICATION[:2]:
            _read_blocks(file)
        elif file.read(1 + len(NAME)) != APPLICATION[2:] + NAME:
            file.seek(-1 - len(NAME), 1)
            _read_blocks(file)
        else:
            packet, ending, _ = file.read(MAX_PACKET + len(TRAILER)).partition(TRAILER)
            return packet if ending else None
    return None


def _read_head(file: IO[bytes]) -> bytes:
    """Return what comes before the first extension: name, size and the colours common to all pictures."""
    head = file.read(13)
    if len(head) < 13 or head[:6] not in (b"GIF87a", b"GIF89a"):
        raise ValueError("it is no GIF")
    colours = 3 << ((head[10] & 7) + 1) if head[10] & 0x80 else 0
    return b"GIF89a" + head[6:] + file.read(colours)  # the older version knows no extensions


def _read_blocks(file: IO[bytes]) -> bytes:
    """Return the blocks of an extension, the empty one that ends it included."""
    blocks = b""
    while length := file.read(1):
        blocks += length + file.read(length[0])
        if length == b"\x00":
            break
    return blocks

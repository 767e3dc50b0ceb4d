"""The entries of an uncompressed zip archive as views of its bytes. Nothing is unpacked and no file is written."""

import struct

from sgan.weights.pickles.unpickle import Refused

MAX_ENTRIES = 20_000
LARGEST_COMMENT = 2**16
SYMBOLIC_LINK = 0o12  # of the file types that Unix stores in the high bits of the attributes
DAMAGED = "is a damaged zip archive; it may be truncated"


def zip_entries(data: memoryview) -> dict[str, memoryview]:
    """Name -> bytes of every entry. Refused for links, compression, encryption, and anything out of order."""
    count, position = _find_directory(data)
    if count > MAX_ENTRIES:
        raise Refused(f"is a zip archive of {count} entries, too many for a checkpoint")
    entries: dict[str, memoryview] = {}
    for _ in range(count):
        signature, flags, method, packed, size, name_len, extra_len, comment_len, attributes, offset = _unpack(
            data, "<4s4xHH8xIIHHH4xII", position
        )
        start = position + 46
        name = bytes(data[start : start + name_len]).decode("utf-8", "replace")
        extra = data[start + name_len : start + name_len + extra_len]
        position = start + name_len + extra_len + comment_len
        if signature != b"PK\1\2" or position > len(data) or name in entries:
            raise Refused(DAMAGED)
        if attributes >> 28 == SYMBOLIC_LINK:
            raise Refused(f"is a zip archive with a symbolic link ({name[:60]!r}), which no checkpoint has")
        size, packed, offset = _large_sizes(extra, size, packed, offset)
        if method != 0 or flags & 1 or size != packed:
            raise Refused(f"is a compressed or encrypted zip archive ({name[:60]!r}); torch.save writes neither")
        entries[name] = _contents(data, offset, size)
    return entries


def _find_directory(data: memoryview) -> tuple[int, int]:
    """(number of entries, position of the directory)."""
    tail = bytes(data[-LARGEST_COMMENT - 22 :])
    found = tail.rfind(b"PK\5\6")
    if found < 0:
        raise Refused(DAMAGED)
    end = len(data) - len(tail) + found
    count, position = _unpack(data, "<10xH4xI", end)
    if end >= 20 and bytes(data[end - 20 : end - 16]) == b"PK\6\7":  # the wider record of zip64
        (end64,) = _unpack(data, "<8xQ", end - 20)
        signature, count, position = _unpack(data, "<4s28xQ8xQ", end64)
        if signature != b"PK\6\6":
            raise Refused(DAMAGED)
    return count, position


def _large_sizes(extra: memoryview, size: int, packed: int, offset: int) -> tuple[int, int, int]:
    """Sizes and offset, from the zip64 field where the plain ones overflow."""
    values = [size, packed, offset]
    position = 0
    while position + 4 <= len(extra):
        kind, length = struct.unpack_from("<HH", extra, position)
        if kind == 1:
            wide = position + 4
            for i, value in enumerate(values):
                if value == 0xFFFFFFFF:
                    (values[i],) = _unpack(extra, "<Q", wide)
                    wide += 8
        position += 4 + length
    return values[0], values[1], values[2]


def _contents(data: memoryview, offset: int, size: int) -> memoryview:
    """The bytes behind the local header at `offset`."""
    signature, name_len, extra_len = _unpack(data, "<4s22xHH", offset)
    start = offset + 30 + name_len + extra_len
    if signature != b"PK\3\4" or start + size > len(data):
        raise Refused(DAMAGED)
    return data[start : start + size]


def _unpack(data: memoryview, layout: str, position: int) -> tuple:
    if not 0 <= position <= len(data) - struct.calcsize(layout):
        raise Refused(DAMAGED)
    return struct.unpack_from(layout, data, position)

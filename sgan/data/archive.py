"""Where pictures lie: the files below a folder, or the members of a zip, which is read in place and never unpacked."""

import os
import stat
import zipfile
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

SUFFIXES = {".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp"}
MAX_FILE_BYTES = 256 * 2**20  # of one picture file, unpacked
BOMB_BYTES, BOMB_RATIO = 16 * 2**20, 200  # a zip's member larger and packed tighter than this is no photograph


class DataError(ValueError):
    """A folder or a picture that cannot be used; the message names it."""


@dataclass(frozen=True)
class Entry:
    """One picture file: its name below the root (with / between folders), its size, and a stamp that changes with it.

    path: the file itself, or the zip that holds it as `member`.
    """

    name: str
    size: int
    stamp: int
    path: str
    member: zipfile.ZipInfo | None = None
    archive: zipfile.ZipFile | None = field(default=None, repr=False, compare=False)

    def __str__(self) -> str:
        return f"{self.path}/{printable(self.name)}" if self.member else printable(self.path)

    @property
    def parent(self) -> PurePosixPath:
        """The sub-folder below the root."""
        return PurePosixPath(self.name).parent

    def read(self) -> bytes:
        """The whole file; DataError when it is too large, and whatever the disk or the zip raises."""
        return self.archive.read(self.member) if self.member else read_file(self.path)


@dataclass
class Source:
    """The pictures of a folder or zip in the order of their paths.

    refused: (name, reason) of what is not even opened; others: number of files by ending that are no pictures.
    """

    path: Path
    entries: list[Entry]
    refused: list[tuple[str, str]]
    others: Counter
    archive: zipfile.ZipFile | None = None

    def __enter__(self) -> "Source":
        return self

    def __exit__(self, *_) -> None:
        if self.archive is not None:
            self.archive.close()


def printable(name: str) -> str:
    """A name for one line of a list: line breaks, control characters and bytes that are no text are escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape", "surrogatepass").decode() for c in name)


def read_file(path: str | Path) -> bytes:
    """The bytes of a picture file; DataError when there are more than MAX_FILE_BYTES."""
    with open(path, "rb") as file:
        data = file.read(MAX_FILE_BYTES + 1)
    if len(data) > MAX_FILE_BYTES:
        raise DataError(f"it has more than {MAX_FILE_BYTES // 2**20} MiB")
    return data


def open_source(path: str | Path) -> Source:
    """The Source of a folder or of a zip, to be used in a `with`; DataError when there is none, or no picture in it."""
    path = Path(path)
    if path.is_dir():
        source = _open_folder(path)
    elif path.is_file() and zipfile.is_zipfile(path):
        source = _open_zip(path)
    else:
        wrong = "is neither a folder nor a readable zip" if path.exists() else "is not there"
        raise DataError(f"{path} {wrong}; give a folder of images, or a zip of one, as image_folder_path")
    source.entries.sort(key=lambda entry: entry.name.split("/"))
    if not source.entries:
        with source:
            raise DataError(f"{path} has no image ({', '.join(sorted(SUFFIXES))}) in it or below it{_hint(source)}")
    return source


def _hint(source: Source) -> str:
    if source.refused:
        name, reason = source.refused[0]
        return f"; {name}: {reason}"
    zips = sorted(source.path.glob("*.zip")) if source.archive is None else []
    return f"; it holds {zips[0].name}: give that as image_folder_path" if zips else ""


def _is_hidden(part: str) -> bool:
    return part.startswith(".") or part == "__MACOSX"  # notebook checkpoints, thumbnails, resource forks


def _open_folder(folder: Path) -> Source:
    """Walks links too, each real folder once."""
    source, seen = Source(folder, [], [], Counter()), set()

    def refuse(error: OSError) -> None:
        source.refused.append((printable(os.path.relpath(error.filename, folder)), f"{error.strerror}"))

    for where, folders, names in os.walk(folder, onerror=refuse, followlinks=True):
        real = os.path.realpath(where)
        folders[:] = [] if real in seen else sorted(name for name in folders if not _is_hidden(name))
        if real in seen:
            continue
        seen.add(real)
        prefix = "" if Path(where) == folder else f"{Path(where).relative_to(folder).as_posix()}/"
        for name in names:  # plain strings: paths would take most of the time for 200,000 files
            suffix = os.path.splitext(name)[1].lower()
            if suffix not in SUFFIXES or _is_hidden(name):
                source.others[suffix] += not _is_hidden(name)
                continue
            path, below = os.path.join(where, name), prefix + name
            try:
                status = os.stat(path)
            except OSError as error:
                source.refused.append((printable(below), f"{error.strerror}"))
            else:
                if stat.S_ISREG(status.st_mode):
                    source.entries.append(Entry(below, status.st_size, status.st_mtime_ns, path))
    return source


def _open_zip(path: Path) -> Source:
    """Reads the zip's directory alone; DataError when it is damaged."""
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError, ValueError, NotImplementedError) as error:
        raise DataError(f"{path} cannot be read as a zip ({error}); unpack it, or fetch it again") from None
    source = Source(path, [], [], Counter(), archive)
    for member in archive.infolist():
        name = member.filename.replace("\\", "/")
        if member.is_dir() or any(_is_hidden(part) and part != ".." for part in name.split("/")):
            continue
        suffix = PurePosixPath(name).suffix.lower()
        if suffix not in SUFFIXES:
            source.others[suffix] += 1
        elif reason := _refusal(name, member):
            source.refused.append((printable(name), reason))
        else:
            source.entries.append(Entry(name, member.file_size, member.CRC, str(path), member, archive))
    return source


def _refusal(name: str, member: zipfile.ZipInfo) -> str:
    """Why a member of a zip is not opened; empty when nothing speaks against it."""
    parts = name.split("/")
    if ".." in parts or parts[0] == "" or ":" in parts[0]:
        return "its path leads out of the zip"
    if stat.S_ISLNK(member.external_attr >> 16):
        return "it is a link"
    if member.flag_bits & 1:
        return "it is encrypted"
    if member.file_size > MAX_FILE_BYTES:
        return f"it has more than {MAX_FILE_BYTES // 2**20} MiB"
    if member.file_size > BOMB_BYTES and member.file_size > BOMB_RATIO * member.compress_size:
        return f"it unpacks to {member.file_size // max(member.compress_size, 1)} times its size, as no photograph does"
    return ""

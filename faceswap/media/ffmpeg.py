"""FFmpeg's errors as sentences."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

from av.error import FFmpegError


class ReadError(OSError):
    """The source of a video job cannot be read any further; says in one sentence which and why."""


@contextlib.contextmanager
def telling(kind: type[Exception], sentence: str) -> Iterator[None]:
    """Tells an error of FFmpeg as one of that kind: the sentence, and FFmpeg's reason in brackets."""
    try:
        yield
    except FFmpegError as error:
        raise kind(f"{sentence} ({error.strerror or error})") from None

"""Video files being read through PyAV."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np

from faceswap.media.encoder import sounds_of
from faceswap.media.ffmpeg import ReadError, telling
from faceswap.media.formats import FORMATS

VIDEO_SUFFIXES = tuple(FORMATS)


def open_video(path: str | Path) -> av.container.InputContainer:
    """Returns an opened video file.

    Raises:
        OSError: no such file, or not to be opened.
        ValueError: it is no video.
    """
    path = Path(path)
    if not path.exists():
        raise FileNotFoundError(f"{path}: no such file")
    if path.is_dir():
        raise ValueError(f"{path}: is a folder, not a video")
    with telling(ValueError, f"{path}: cannot be read as a video"):
        container = av.open(str(path))
    if not any(stream.codec_context for stream in container.streams.video[:1]):
        container.close()
        raise ValueError(f"{path}: holds no video that can be decoded")
    return container


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Returns a frame as uint8 [H, W, 3] RGB, turned as its display matrix says."""
    image = frame.to_ndarray(format="rgb24")
    turns = round((frame.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


def reading(source: av.container.InputContainer) -> contextlib.AbstractContextManager:
    """Returns a context that tells an error of FFmpeg as a ReadError of that file."""
    return telling(ReadError, f"{source.name}: cannot be read any further")


def packets_of(source: av.container.InputContainer) -> Iterator[av.Packet]:
    """Yields the packets of picture and sound in the order of the file. Raises ReadError where it cannot be read."""
    packets = source.demux([source.streams.video[0], *sounds_of(source)])
    while True:
        with reading(source):
            packet = next(packets, None)
        if packet is None:
            return
        yield packet


def expected_frames(container: av.container.InputContainer) -> int:
    """Returns how many frames a video says it has, 0 when it does not say."""
    stream = container.streams.video[0]
    if stream.frames:
        return int(stream.frames)
    rate = stream.average_rate or stream.guessed_rate
    return round(container.duration / av.time_base * rate) if rate and container.duration else 0

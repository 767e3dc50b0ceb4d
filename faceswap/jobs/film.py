"""A face onto a video: frames out, swapped, in again; sound, times and rotation stay.

`swap_video` decodes and follows the faces in one thread, swaps in the caller's and encodes in a third, a few frames
apart, so that memory does not grow with the length. The result is written beside its place and then renamed.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError

from faceswap.find.tracking import FaceChoice, Track, Tracker
from faceswap.media.encoder import USUAL_RATE, Writer, resized
from faceswap.media.ffmpeg import ReadError
from faceswap.media.pipeline import Behind, ahead
from faceswap.media.planes import Decoded
from faceswap.media.video import expected_frames, open_video, packets_of, reading, upright

AHEAD = 6  # frames and packets of sound that may be read before they are swapped
BEHIND = 3  # ... that may wait for the encoder
STAGES = 3  # that work at the same time


@dataclass(frozen=True)
class Progress:
    """Where a video job is, after each frame."""

    frames: int  # handed to the encoder
    total: int  # expected, 0 when unknown
    swapped: int  # frames with a new face
    damaged: int = 0  # packets left out because they could not be decoded


@dataclass(frozen=True)
class Piece:
    """What is read of a video: a frame with its faces, a packet of sound, or neither for a packet that is damaged."""

    image: np.ndarray | None = None  # uint8 [H, W, 3] RGB
    frame: av.VideoFrame | None = None  # that the picture was decoded from
    tracks: Sequence[Track] = ()
    pts: int = 0  # in units of `time_base`
    time_base: Fraction = 1 / USUAL_RATE
    sound: av.Packet | None = None


def read_pieces(source: av.container.InputContainer, tracker: Tracker | FaceChoice) -> Iterator[Piece]:
    """Yields all of a video in the order of the file, its faces followed from frame to frame.

    Every frame has the size of the first, so that who is followed is not lost where the size changes.

    Raises:
        ReadError: it cannot be read any further.
    """
    stream, frames, before, size = source.streams.video[0], 0, None, None
    stream.thread_type = "AUTO"
    for packet in packets_of(source):
        if packet.stream.type == "audio":
            yield Piece(sound=packet)
            continue
        try:
            decoded = packet.decode()
        except FFmpegError:
            yield Piece()
            continue
        for frame in decoded:
            time = frame.time if frame.time is not None else frames / float(USUAL_RATE)
            seconds = 1 / float(USUAL_RATE) if before is None or time <= before else time - before
            with reading(source):
                image, before = upright(frame), time
            size = size or image.shape[:2]
            image = resized(image, *size)
            tracks = [copy(track) for track in tracker.update(image, seconds)]  # the tracker goes on meanwhile
            base = frame.time_base or stream.time_base
            pts = frame.pts if frame.pts is not None else round(frames / USUAL_RATE / base)
            yield Piece(image, frame, tracks, pts, base)
            frames += 1


def swap_video(
    src: str | Path,
    out: str | Path,
    tracker: Tracker | FaceChoice,
    swap: Callable,
    settings: dict,
    codec: str | None = None,
    crf: int | None = None,
    show: Callable[[np.ndarray], None] | None = None,
) -> Iterator[Progress]:
    """Yields the progress after each frame of a video; closed early or broken off, what there is so far is kept.

    Args:
        src: path of the video.
        out, settings, codec, crf: as for `Writer`.
        tracker: knows the faces from one frame to the next, and which of them are meant.
        swap: swap(image, tracks) -> image, for frames with a face; the image itself for one that stays as it is. What
            it returns is encoded later and must not be changed.
        show: is given every frame as it is written, in the caller's thread.

    Raises:
        ReadError: the source cannot be read any further.
        OSError, ValueError: the video cannot be read or written; nothing is left behind.
    """
    with (
        shared_processors(),
        contextlib.closing(open_video(src)) as source,
        Writer(out, source, settings, codec, crf) as writer,
    ):
        try:
            yield from _swap_stream(source, writer, tracker, swap, show)
        except ReadError as error:
            kept = f"; what was made of it until there is kept in {out}" if writer.frames else ""
            raise ReadError(f"{error}{kept}") from None
        if not writer.frames:
            raise ValueError(f"{src}: no frame could be decoded")


@contextlib.contextmanager
def shared_processors() -> Iterator[None]:
    """Leaves OpenCV each stage's share of the processors: more threads than that would only wait for each other."""
    before = cv2.getNumThreads()
    cv2.setNumThreads(max(1, min(before, cv2.getNumberOfCPUs() // STAGES)))
    try:
        yield
    finally:
        cv2.setNumThreads(before)


def _swap_stream(
    source, writer: Writer, tracker: Tracker | FaceChoice, swap: Callable, show=None
) -> Iterator[Progress]:
    """Yields the progress after each frame of an opened video."""
    total, frames, swapped, damaged, broken = expected_frames(source), 0, 0, 0, []
    with contextlib.closing(ahead(read_pieces(source, tracker), AHEAD)) as pieces, Behind(BEHIND) as writing:
        for piece in until_broken(pieces, broken):
            if piece.sound is not None:
                writing.do(writer.write_sound, piece.sound)
            elif piece.image is None:
                damaged += 1
            else:
                result = swap(piece.image, piece.tracks) if piece.tracks else piece.image
                frames, swapped = frames + 1, swapped + (result is not piece.image)
                writing.do(writer.write_frame, result, piece.pts, piece.time_base, Decoded(piece.frame, piece.image))
                if show:
                    show(result)
                yield Progress(frames, total, swapped, damaged)
    if broken:  # told only now, when all that could be read is written
        raise broken[0]


def until_broken(pieces: Iterator[Piece], broken: list[ReadError]) -> Iterator[Piece]:
    """Yields the pieces; an error of reading ends them and is noted in `broken`."""
    try:
        yield from pieces
    except ReadError as error:
        broken.append(error)

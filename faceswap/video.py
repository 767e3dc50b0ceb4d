"""Video files through PyAV: frames out, swapped, in again; sound, times and rotation stay.

`swap_video` decodes and follows the faces in one thread, swaps in the caller's and encodes in a third, a few frames
apart, so that memory does not grow with the length. The result is written beside its place and then renamed.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from av.error import FFmpegError

from faceswap.pipeline import Behind, ahead
from faceswap.tracking import Track, Tracker
from provenance import COMPOSITE, Mark, remove_leftovers, temporary_beside, to_xmp

H264 = ("libx264", "yuv420p", {"crf": "18", "preset": "veryfast"})
# How each ending is written: video codec, pixel format, options; what sound it can hold, and what other sound becomes.
FORMATS = {
    ".mp4": (*H264, "aac mp3 ac3 eac3 alac opus flac", "aac"),
    ".mov": (*H264, "aac mp3 ac3 alac pcm_s16le pcm_s24le", "aac"),
    ".mkv": (*H264, "*", "aac"),
    ".avi": ("mpeg4", "yuv420p", {"qscale": "3"}, "mp3 ac3 pcm_s16le", "libmp3lame"),
    ".webm": ("libvpx-vp9", "yuv420p", {"crf": "30", "b": "0", "cpu-used": "5"}, "opus vorbis", "libopus"),
    ".gif": ("gif", "pal8", {}, "", ""),
}
VIDEO_SUFFIXES = tuple(FORMATS)
USUAL_RATE = Fraction(30)
AHEAD = 6  # frames and packets of sound that may be read before they are swapped
BEHIND = 3  # ... that may wait for the encoder
WHOLE_ROWS = 32  # pixels: with a width that is a multiple of it the conversion of colours reads no further than a row


@dataclass(frozen=True)
class Progress:
    """Where a video job is, after each frame."""

    frames: int  # handed to the encoder
    total: int  # expected, 0 when unknown
    swapped: int  # frames with a new face
    damaged: int = 0  # packets left out because they could not be decoded


def codec_of(name: str) -> str:
    """Returns the name of a codec that can encode video. Raises ValueError when this build knows no such encoder."""
    try:
        codec = av.codec.Codec(name, "w")
    except (FFmpegError, ValueError):
        raise ValueError(
            f"codec {name!r}: no such encoder here; libx264, libx265, mpeg4 and libvpx-vp9 are usual"
        ) from None
    if codec.type != "video":
        raise ValueError(f"codec {name!r}: encodes {codec.type}, not video")
    return name


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
    try:
        container = av.open(str(path))
    except FFmpegError as error:
        raise ValueError(f"{path}: cannot be read as a video ({error.strerror or error})") from None
    if not any(stream.codec_context for stream in container.streams.video[:1]):
        container.close()
        raise ValueError(f"{path}: holds no video that can be decoded")
    return container


def sounds_of(container: av.container.InputContainer) -> list[av.audio.AudioStream]:
    """Returns the streams of sound whose codec is known."""
    return [stream for stream in container.streams.audio if stream.codec_context]


def upright(frame: av.VideoFrame) -> np.ndarray:
    """Returns a frame as uint8 [H, W, 3] RGB, turned as its display matrix says."""
    image = frame.to_ndarray(format="rgb24")
    turns = round((frame.rotation or 0) / 90) % 4
    return np.ascontiguousarray(np.rot90(image, turns)) if turns else image


@dataclass(frozen=True)
class Piece:
    """What is read of a video: a frame with its faces, a packet of sound, or neither for a packet that is damaged."""

    image: np.ndarray | None = None  # uint8 [H, W, 3] RGB
    tracks: Sequence[Track] = ()
    pts: int = 0  # in units of `time_base`
    time_base: Fraction = 1 / USUAL_RATE
    sound: av.Packet | None = None


def read_pieces(source: av.container.InputContainer, tracker: Tracker) -> Iterator[Piece]:
    """Yields all of a video in the order of the file, its faces followed from frame to frame."""
    stream, frames, before = source.streams.video[0], 0, None
    stream.thread_type = "AUTO"
    for packet in source.demux([stream, *sounds_of(source)]):
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
            image, before = upright(frame), time
            tracks = [copy(track) for track in tracker.update(image, seconds)]  # the tracker goes on meanwhile
            base = frame.time_base or stream.time_base
            yield Piece(image, tracks, frame.pts if frame.pts is not None else round(frames / USUAL_RATE / base), base)
            frames += 1


class Writer:
    """A video file being written beside its place, with the sound of another.

    Args:
        path: of the result; its ending chooses the format.
        source: the opened video whose times and sound are taken over; None for pictures of a camera, timed in
            milliseconds.
        settings: how it was made, for the metadata.
        codec: another video encoder than the ending's.
        crf: quality; the encoder's own scale, smaller is better.

    Raises:
        OSError: nothing can be written there.
    """

    def __init__(
        self,
        path: str | Path,
        source: av.container.InputContainer | None,
        settings: dict,
        codec: str | None = None,
        crf: int | None = None,
    ):
        self.path = Path(path)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.path.parent)
        self._part = temporary_beside(self.path, self.path.suffix)
        name, self._format, options, self._sounds, self._sound_codec = FORMATS[self.path.suffix.lower()]
        if codec and codec != name:
            name, options = codec_of(codec), {}
        if crf is not None:
            options = {k: v for k, v in options.items() if k != "qscale"} | {"crf": str(crf)}
        self._codec, self._options = name, options
        self._source = source
        try:
            self._out = av.open(str(self._part), "w")
        except FFmpegError as error:
            raise OSError(f"{path}: cannot be written ({error.strerror or error})") from None
        self._out.metadata["comment"] = to_xmp(Mark(COMPOSITE, settings)).decode("utf-8")
        self._video = None
        self._copied: dict[int, av.stream.Stream] = {}
        self._recoded: dict[int, av.stream.Stream] = {}
        self._waiting: list[av.Packet] = []  # sound that came before the first frame
        self._last = None
        self.frames = 0

    def _start(self, height: int, width: int) -> None:
        """Adds the streams, now that the size of the frames is known."""
        like = self._source.streams.video[0] if self._source else None
        rate = (like and (like.average_rate or like.guessed_rate)) or USUAL_RATE
        rate, options = Fraction(rate).limit_denominator(1001), dict(self._options)
        scale = options.pop("qscale", None)
        video = self._out.add_stream(self._codec, rate=rate, options=options)
        odd = self._format != "pal8"  # codecs that share colour between pixels want even sides
        video.width, video.height = width + odd * (width % 2), height + odd * (height % 2)
        video.pix_fmt = self._format
        finest = like.base_rate if like and like.base_rate and rate < like.base_rate <= 120 else rate
        coarse = {"mpeg4": 1 / finest, "mjpeg": 1 / finest, "gif": Fraction(1, 100)}  # these know no fine times
        base = coarse.get(self._codec) or (like.time_base if like else Fraction(1, 1000))
        video.codec_context.time_base = base
        if scale:
            video.codec_context.qscale, video.codec_context.global_quality = True, 118 * int(scale)
        if like and like.sample_aspect_ratio:
            video.codec_context.sample_aspect_ratio = like.sample_aspect_ratio
        for name in ("color_range", "color_primaries", "color_trc", "colorspace") if like else ():
            if value := getattr(like.codec_context, name, None):
                setattr(video.codec_context, name, value)
        self._video = video
        for sound in sounds_of(self._source) if self._source else ():
            self._add_sound(sound)

    def _add_sound(self, sound: av.audio.AudioStream) -> None:
        """Copies a sound stream as it is where the format can hold it, else encodes it anew."""
        name = sound.codec_context.name
        if self._sounds == "*" or name in self._sounds.split():
            self._copied[sound.index] = self._out.add_stream_from_template(sound)
        elif self._sound_codec:
            stream = self._out.add_stream(self._sound_codec, rate=48000 if "opus" in self._sound_codec else sound.rate)
            stream.codec_context.layout = "stereo" if sound.channels > 1 else "mono"
            self._recoded[sound.index] = stream

    def write_frame(self, image: np.ndarray, pts: int, time_base: Fraction) -> None:
        """Writes one uint8 [H, W, 3] RGB frame at its time."""
        if self._video is None:
            self._start(*image.shape[:2])
        frame = self._encoder_frame(image)
        own = self._video.codec_context.time_base
        frame.time_base = own
        frame.pts = round(pts * time_base / own)
        if self._last is not None and frame.pts <= self._last:
            frame.pts = self._last + 1
        self._last = frame.pts
        self._out.mux(self._video.encode(frame))
        self.frames += 1
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self.write_sound(packet)

    def _encoder_frame(self, image: np.ndarray) -> av.VideoFrame:
        """Returns a frame in the encoder's pixel format; an odd last row or column is doubled."""
        if self._format == "pal8":
            return paletted(image)
        bottom, right = self._video.height - image.shape[0], self._video.width - image.shape[1]
        if bottom or right:
            image = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge")
        if image.shape[1] % WHOLE_ROWS:
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
        else:  # without a slow copy, where the conversion reads no further than the rows go
            frame = av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(image), format="rgb24")
        space = self._video.codec_context.colorspace
        return frame.reformat(format=self._format, dst_colorspace=space if space not in (0, 2) else None)

    def write_sound(self, packet: av.Packet) -> None:
        """Writes a packet of sound of the source."""
        if self._video is None:
            self._waiting.append(packet)
        elif packet.stream.index in self._copied:
            if packet.dts is not None:
                packet.stream = self._copied[packet.stream.index]
                self._out.mux(packet)
        elif packet.stream.index in self._recoded:
            with contextlib.suppress(FFmpegError):  # a damaged packet is a moment of silence
                for frame in packet.decode():
                    self._out.mux(self._recoded[packet.stream.index].encode(frame))

    def close(self) -> None:
        """Finishes the file and puts it in its place; OSError, and nothing is left behind, where that fails."""
        try:
            if self._video is not None:
                self._out.mux(self._video.encode(None))
                for stream in self._recoded.values():
                    self._out.mux(stream.encode(None))
            self._out.close()
            os.replace(self._part, self.path)
        except FFmpegError as error:
            self.discard()
            raise OSError(f"{self.path}: cannot be written ({error.strerror or error})") from None
        except BaseException:
            self.discard()
            raise

    def discard(self) -> None:
        """Leaves nothing behind."""
        with contextlib.suppress(FFmpegError, ValueError):
            self._out.close()
        self._part.unlink(missing_ok=True)


def paletted(image: np.ndarray) -> av.VideoFrame:
    """Returns a frame of 256 colours chosen for it, for GIF."""
    from PIL import Image

    small = Image.fromarray(image).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.zeros((256, 4), np.uint8)
    colours = np.array(small.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[:, 0], palette[: len(colours), 1:] = 255, colours  # ARGB
    return av.VideoFrame.from_ndarray((np.array(small), palette), format="pal8")


def swap_video(
    src: str | Path,
    out: str | Path,
    tracker: Tracker,
    swap: Callable,
    settings: dict,
    codec: str | None = None,
    crf: int | None = None,
) -> Iterator[Progress]:
    """Yields the progress after each frame while a video is swapped; the file is there when the iterator ends.

    Closed early, what was written so far is finished and kept, unless it is nothing.

    Args:
        src: path of the video.
        out, settings, codec, crf: as for `Writer`.
        tracker: knows the faces from one frame to the next.
        swap: swap(image, tracks) -> image, for frames with a face; the image itself for one that stays as it is. What
            it returns is encoded later and must not be changed.

    Raises:
        OSError, ValueError: the video cannot be read or written; nothing is left behind.
    """
    with contextlib.closing(open_video(src)) as source:
        writer = Writer(out, source, settings, codec, crf)
        try:
            yield from _swap_stream(source, writer, tracker, swap)
            if not writer.frames:
                raise ValueError(f"{src}: no frame could be decoded")
        except (GeneratorExit, KeyboardInterrupt):
            writer.close() if writer.frames else writer.discard()
            raise
        except FFmpegError as error:
            writer.discard()
            raise OSError(f"{out}: cannot be written ({error.strerror or error})") from None
        except BaseException:
            writer.discard()
            raise
        writer.close()


def _swap_stream(source, writer: Writer, tracker: Tracker, swap: Callable) -> Iterator[Progress]:
    """Yields the progress after each frame of an opened video."""
    total, frames, swapped, damaged = expected_frames(source), 0, 0, 0
    with contextlib.closing(ahead(read_pieces(source, tracker), AHEAD)) as pieces, Behind(BEHIND) as writing:
        for piece in pieces:
            if piece.sound is not None:
                writing.do(writer.write_sound, piece.sound)
            elif piece.image is None:
                damaged += 1
            else:
                result = swap(piece.image, piece.tracks) if piece.tracks else piece.image
                frames, swapped = frames + 1, swapped + (result is not piece.image)
                writing.do(writer.write_frame, result, piece.pts, piece.time_base)
                yield Progress(frames, total, swapped, damaged)


def expected_frames(container: av.container.InputContainer) -> int:
    """Returns how many frames a video says it has, 0 when it does not say."""
    stream = container.streams.video[0]
    if stream.frames:
        return int(stream.frames)
    rate = stream.average_rate or stream.guessed_rate
    return round(container.duration / av.time_base * rate) if rate and container.duration else 0

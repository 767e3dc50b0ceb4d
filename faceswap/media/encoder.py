"""One video file being encoded through PyAV: frames at their times, the sound of its source, and its mark."""

from __future__ import annotations

import contextlib
import os
from fractions import Fraction
from pathlib import Path

import av
import cv2
import numpy as np
from av.error import FFmpegError
from av.video.reformatter import VideoReformatter

from faceswap.media.ffmpeg import ReadError, telling
from faceswap.media.formats import FORMATS
from faceswap.media.planes import PIXELS, Decoded, with_changes
from provenance import COMPOSITE, Mark, copy_marked, remove_leftovers, temporary_beside, to_xmp, whole_file

OPTIONS = {
    "libx264": {"crf": "18", "preset": "veryfast"},
    "libvpx-vp9": {"crf": "30", "b": "0", "cpu-used": "5"},
}
CRF_CODECS = {"libx264", "libx264rgb", "libx265", "libvpx", "libvpx-vp9", "libaom-av1", "libsvtav1"}
QUANTISER_CODECS = {"mpeg4", "msmpeg4", "msmpeg4v2", "mpeg1video", "mpeg2video", "mjpeg", "flv", "h263", "h263p"}
USUAL_CRF, USUAL_QUANTISER, COARSEST = 18, 2, 31
RANGES = {"mjpeg": 2} | dict.fromkeys(QUANTISER_CODECS - {"mjpeg"}, 1)  # they cannot tell another: 2 is full, 1 limited
FINEST_RATE = 120  # frames per second a video of varying times is given where it must have a fixed rate
CAMERA_RATE = Fraction(60)  # ... and a camera's
LARGEST_DENOMINATOR = 65535  # of a time in MPEG-4
GIF_BASE = Fraction(1, 100)
USUAL_RATE = Fraction(30)
WHOLE_ROWS = 32  # pixels: with a width that is a multiple of it the conversion of colours reads no further than a row


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


def quantiser_of(crf: int) -> int:
    """Returns the quantiser, 1 to 31, that is as coarse as H.264 is at that CRF: six more of it are twice as coarse."""
    return min(max(round(USUAL_QUANTISER * 2 ** ((crf - USUAL_CRF) / 6)), 1), COARSEST)


def sound_rate(codec: str, rate: int) -> int:
    """Returns the lowest rate of sound in Hz that the encoder knows and that loses nothing, else its highest."""
    known = av.codec.Codec(codec, "w").audio_rates
    return min((r for r in known if r >= rate), default=max(known)) if known else rate


def resized(image: np.ndarray, height: int, width: int) -> np.ndarray:
    """Returns a uint8 [H, W, 3] picture at that size; the picture itself where it has it."""
    if image.shape[:2] == (height, width):
        return image
    shrinks = height * width < image.shape[0] * image.shape[1]
    return cv2.resize(image, (width, height), interpolation=cv2.INTER_AREA if shrinks else cv2.INTER_CUBIC)


def sounds_of(container: av.container.InputContainer) -> list[av.audio.AudioStream]:
    """Returns the streams of sound whose codec is known."""
    return [stream for stream in container.streams.audio if stream.codec_context]


class Writer:
    """A video file being written beside its place, with the sound of another.

    Args:
        path: of the result; its ending chooses the format.
        source: the opened video whose times and sound are taken over; None for pictures of a camera, timed in
            milliseconds.
        settings: how it was made, for the metadata.
        codec: another video encoder than the ending's.
        crf: quality, smaller is better: the encoder's own scale, or that of H.264 where it has none (MPEG-4).

    Raises:
        OSError: nothing can be written there.
        ValueError: the encoder has no scale of quality.
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
        self._format = FORMATS[self.path.suffix.lower()]
        self._codec = codec_of(codec) if codec else self._format.codec
        self._options = dict(OPTIONS.get(self._codec, {}))
        if self._codec in QUANTISER_CODECS:  # fixed by its bounds, since only a frame could tell it
            self._options |= dict.fromkeys(("qmin", "qmax"), str(quantiser_of(USUAL_CRF if crf is None else crf)))
        elif crf is not None and self._codec not in CRF_CODECS:
            raise ValueError(f"{path}: --crf cannot be used, the encoder {self._codec} has no such scale of quality")
        elif crf is not None:
            self._options["crf"] = str(crf)
        self.path.parent.mkdir(parents=True, exist_ok=True)
        remove_leftovers(self.path.parent)
        self._part = temporary_beside(self.path, self.path.suffix)
        self._source = source
        with self._telling():
            self._out = av.open(str(self._part), "w")
        self._mark = Mark(COMPOSITE, settings)
        self._out.metadata["comment"] = to_xmp(self._mark).decode("utf-8")
        self._video = None
        self._size = (0, 0)  # height and width of the first frame, and so of all
        self._copied: dict[int, av.stream.Stream] = {}
        self._recoded: dict[int, av.stream.Stream] = {}
        self._waiting: list[av.Packet] = []  # sound that came before the first frame
        self._last = None
        self._reformatter = VideoReformatter()  # one for all frames: making it takes as long as a small picture
        self.frames = 0

    def _telling(self) -> contextlib.AbstractContextManager:
        return telling(OSError, f"{self.path}: cannot be written")

    def _start(self, height: int, width: int) -> None:
        """Adds the streams, now that the size of the frames is known."""
        like = self._source.streams.video[0] if self._source else None
        rate = (like and (like.average_rate or like.guessed_rate)) or USUAL_RATE
        rate = Fraction(rate).limit_denominator(1001)
        video = self._out.add_stream(self._codec, rate=rate, options=self._options)
        odd = self._format.pixels != "pal8"  # codecs that share colour between pixels want even sides
        video.width, video.height = width + odd * (width % 2), height + odd * (height % 2)
        video.pix_fmt = self._format.pixels
        context, self._size = video.codec_context, (height, width)
        fixed = self._fixed_base(like, rate)
        self._is_fixed = fixed is not None
        context.time_base = fixed or (like.time_base if like else Fraction(1, 1000))
        context.qscale = self._codec in QUANTISER_CODECS
        if like and like.sample_aspect_ratio:
            context.sample_aspect_ratio = like.sample_aspect_ratio
        for name in ("color_range", "color_primaries", "color_trc", "colorspace") if like else ():
            if value := getattr(like.codec_context, name, None):
                setattr(context, name, value)
        if self._codec in RANGES:
            context.color_range = RANGES[self._codec]
        self._video = video
        for sound in sounds_of(self._source) if self._source else ():
            self._add_sound(sound)

    def _fixed_base(self, like: av.video.VideoStream | None, rate: Fraction) -> Fraction | None:
        """Returns the unit of times where a format knows coarse ones only, None where those of the source can stay."""
        if self._codec == "gif":
            return GIF_BASE
        if self._codec not in QUANTISER_CODECS and self.path.suffix.lower() != ".avi":
            return None
        finest = like.base_rate if like else CAMERA_RATE
        finest = finest if finest and rate < finest <= FINEST_RATE else rate
        return (1 / finest).limit_denominator(LARGEST_DENOMINATOR)

    def _add_sound(self, sound: av.audio.AudioStream) -> None:
        """Copies a sound stream as it is where the format can hold it, else encodes it anew."""
        name = sound.codec_context.name
        if self._format.sounds == "*" or name in self._format.sounds.split():
            self._copied[sound.index] = self._out.add_stream_from_template(sound)
        elif codec := self._format.sound_codec:
            stream = self._out.add_stream(codec, rate=sound_rate(codec, sound.rate))
            stream.codec_context.layout = "stereo" if sound.channels > 1 else "mono"
            self._recoded[sound.index] = stream

    def write_frame(self, image: np.ndarray, pts: int, time_base: Fraction, decoded: Decoded | None = None) -> None:
        """Writes one frame at its time, at the size of the first. Raises OSError as `Writer`.

        Args:
            image: uint8 [H, W, 3] RGB.
            pts: its time in units of `time_base`.
            decoded: what it was made from; where it is like that, it is encoded without a conversion of colours.
        """
        with self._telling():
            self._write_frame(image, pts, time_base, decoded)

    def _write_frame(self, image: np.ndarray, pts: int, time_base: Fraction, decoded: Decoded | None) -> None:
        if self._video is None:
            self._start(*image.shape[:2])
        own = self._video.codec_context.time_base
        at = self._place(pts * time_base / own, own)
        if at is None:
            return
        if decoded and decoded.suits(self._video.codec_context):
            frame = _frame_of(with_changes(decoded, image, self._converted), PIXELS)
        else:
            frame = self._encoder_frame(resized(image, *self._size))
        frame.time_base, frame.pts = own, at
        self._last = at
        self._out.mux(self._video.encode(frame))
        self.frames += 1
        waiting, self._waiting = self._waiting, []
        for packet in waiting:
            self._write_sound(packet)

    def _place(self, wanted: Fraction, own: Fraction) -> int | None:
        """Returns the time of a frame in units of `own`, after that of the frame before; None leaves the frame out.

        Frames that come faster than a fixed rate can tell would be late by more and more: one that would be late by
        more than a unit is left out. Late by more than a second it is not, since then the source's times run back.
        """
        if self._last is None or round(wanted) > self._last:
            return round(wanted)
        late = self._last + 1 - wanted
        return None if self._is_fixed and 1 < late < 1 / own else self._last + 1

    def _encoder_frame(self, image: np.ndarray) -> av.VideoFrame:
        """Returns a frame in the encoder's pixel format; an odd last row or column is doubled."""
        if self._format.pixels == "pal8":
            return paletted(image)
        bottom, right = self._video.height - image.shape[0], self._video.width - image.shape[1]
        if bottom or right:
            image = np.pad(image, ((0, bottom), (0, right), (0, 0)), mode="edge")
        return self._converted(image)

    def _converted(self, image: np.ndarray) -> av.VideoFrame:
        """Returns a frame in the encoder's pixel format and colours of uint8 [h, w, 3] RGB."""
        space, extent = self._video.codec_context.colorspace, self._video.codec_context.color_range
        return self._reformatter.reformat(
            _frame_of(image, "rgb24"),
            format=self._format.pixels,
            dst_colorspace=space if space not in (0, 2) else None,
            dst_color_range=extent if extent in (1, 2) else None,
        )

    def write_sound(self, packet: av.Packet) -> None:
        """Writes a packet of sound of the source. Raises OSError as `Writer`."""
        with self._telling():
            self._write_sound(packet)

    def _write_sound(self, packet: av.Packet) -> None:
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

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_) -> None:
        """Finishes the file, also when stopped or where there is no more to read; leaves nothing after other errors."""
        if kind is not None and issubclass(kind, Exception) and not issubclass(kind, ReadError):
            self.discard()
        else:
            self.close()

    def close(self) -> None:
        """Finishes the file and puts it in its place; nothing is left behind where no frame was written.

        Raises:
            OSError: it cannot be written; nothing is left behind.
        """
        if not self.frames:
            return self.discard()
        try:
            with self._telling():
                for stream in (self._video, *self._recoded.values()):
                    self._out.mux(stream.encode(None))
                self._out.close()
                self._put_in_place()
        except BaseException:
            self.discard()
            raise

    def _put_in_place(self) -> None:
        """Renames the finished file to its name; a GIF, in which FFmpeg writes no metadata, is copied with its mark."""
        if self.path.suffix.lower() != ".gif":
            os.replace(self._part, self.path)
            return
        with self._part.open("rb") as unmarked, whole_file(self.path) as marked:
            copy_marked(unmarked, marked, self._mark)
        self._part.unlink()

    def discard(self) -> None:
        """Leaves nothing behind."""
        with contextlib.suppress(FFmpegError, ValueError):
            self._out.close()
        self._part.unlink(missing_ok=True)


def _frame_of(pixels: np.ndarray, kind: str) -> av.VideoFrame:
    """Returns a frame of RGB [h, w, 3] ("rgb24") or of planes [3h / 2, w] ("yuv420p")."""
    if pixels.shape[1] % (WHOLE_ROWS if kind == "rgb24" else 2 * WHOLE_ROWS):
        return av.VideoFrame.from_ndarray(pixels, format=kind)
    # Without a slow copy, where the conversion reads no further than the rows go.
    return av.VideoFrame.from_numpy_buffer(np.ascontiguousarray(pixels), format=kind)


def paletted(image: np.ndarray) -> av.VideoFrame:
    """Returns a frame of 256 colours chosen for it, for GIF."""
    from PIL import Image

    small = Image.fromarray(image).quantize(256, dither=Image.Dither.FLOYDSTEINBERG)
    palette = np.zeros((256, 4), np.uint8)
    colours = np.array(small.getpalette("RGB"), np.uint8).reshape(-1, 3)
    palette[:, 0], palette[: len(colours), 1:] = 255, colours  # ARGB
    return av.VideoFrame.from_ndarray((np.array(small), palette), format="pal8")

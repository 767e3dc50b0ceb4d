"""Small videos of a drawn face that moves, with known landmarks."""

from fractions import Fraction

import av
import numpy as np
from drawn_face import FakeLandmarker, draw_face, place_mesh

from faceswap.find.tracking import Tracker
from faceswap.jobs.film import swap_video
from faceswap.media.video import upright
from faceswap.swap import Options, Swapper

SIZE = (120, 160)
PTS = [0, 512, 1536, 2048, 2560, 3584, 4096, 4608, 6656, 7168]  # of a variable frame rate, in 1 / 15360 s
BASE = Fraction(1, 15360)


class MovingLandmarker:
    """Finds the faces of each frame in turn; None is a frame without."""

    def __init__(self, frames):
        self.frames = iter(frames)

    def find(self, image):
        return [points.copy() for points in next(self.frames)]


def face_at(x, y=60, eyes_apart=26, skin=(205, 160, 135)):
    points = place_mesh((x, y), eyes_apart)
    return points, draw_face(points, SIZE, skin=skin)


def make_video(path, frames, pts=PTS, sound=True, codec="libx264", rotation=None, options=None, **colour):
    """Writes a small video with a tone, its times in 1 / 15360 s."""
    with av.open(str(path), "w") as out:
        stream = out.add_stream(codec, rate=30, options=options or {"crf": "10", "bf": "0"})
        stream.width, stream.height, stream.pix_fmt = frames[0].shape[1], frames[0].shape[0], "yuv420p"
        stream.codec_context.time_base = BASE
        for name, value in colour.items():
            setattr(stream.codec_context, name, value)
        if rotation:
            stream.set_display_rotation(rotation)
        tone = out.add_stream("aac", rate=44100) if sound else None
        for image, at in zip(frames, pts):
            frame = av.VideoFrame.from_ndarray(image, format="rgb24")
            space = colour.get("colorspace")
            frame = frame.reformat(format="yuv420p", dst_colorspace=space) if space else frame
            frame.pts, frame.time_base = at, BASE
            out.mux(stream.encode(frame))
        for number in range(0, 22050 if sound else 0, 1024):
            wave = (8000 * np.sin(0.06 * np.arange(number, number + 1024))).astype(np.int16)[None]
            frame = av.AudioFrame.from_ndarray(wave, format="s16", layout="mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, number, Fraction(1, 44100)
            out.mux(tone.encode(frame))
        out.mux(stream.encode(None))
        if sound:
            out.mux(tone.encode(None))


def read_video(path):
    """Returns (times, frames as RGB, packets of sound, comment)."""
    with av.open(str(path)) as source:
        times, images, sound = [], [], []
        for packet in source.demux():
            if packet.stream.type == "audio" and packet.size:
                sound.append((packet.pts * packet.time_base, bytes(packet)))
            elif packet.stream.type == "video":
                for frame in packet.decode():
                    times.append(frame.time)
                    images.append(upright(frame))
        tags = {name.lower(): value for name, value in source.metadata.items()}
        return times, images, sound, tags.get("comment", "")


def swap_film(src, out, frames_of_faces, **options):
    """Swaps a video with known landmarks; returns the list of Progress."""
    source_points, source = face_at(80, skin=(140, 95, 70))
    swapper = Swapper(source, Options(), FakeLandmarker(), points=source_points)

    def swap(image, tracks):
        return swapper.swap(image, [track.points for track in tracks])

    tracker = Tracker(MovingLandmarker(frames_of_faces))
    return list(swap_video(src, out, tracker, swap, {"seed": 3}, **options))


def textured(size=SIZE, seed=0):
    """A picture of noise in blocks, which costs bytes."""
    noise = np.random.default_rng(seed).integers(0, 256, (size[0] // 4, size[1] // 4, 3), dtype=np.uint8)
    return np.repeat(np.repeat(noise, 4, 0), 4, 1)

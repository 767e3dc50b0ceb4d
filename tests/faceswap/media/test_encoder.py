"""Facts about the video files that are written: their colours, sizes, quality, times, sound and mark."""

import itertools
from fractions import Fraction

import av
import numpy as np
import pytest
from drawn_film import SIZE, face_at, make_video, read_video, swap_film, textured
from PIL import Image

from faceswap.media import encoder
from provenance import COMPOSITE, read_mark

BLACK_AND_WHITE = np.zeros((*SIZE, 3), np.uint8)
BLACK_AND_WHITE[:, SIZE[1] // 2 :] = 255


def write(path, times, codec=None, crf=None, like=None, images=None):
    """Writes frames at those times in milliseconds; returns the writer."""
    writer = encoder.Writer(path, like, {"seed": 3}, codec, crf)
    for number, at in enumerate(times):
        writer.write_frame(textured(seed=number) if images is None else images[number], at, Fraction(1, 1000))
    writer.close()
    return writer


def brightness(path):
    """Returns the first frame's luma as stored, and as RGB: dark half, bright half."""
    with av.open(str(path)) as source:
        frame = next(source.decode(video=0))
        luma, rgb = frame.to_ndarray()[: SIZE[0]], frame.to_ndarray(format="rgb24")
    return [int(a) for a in (luma[60, 20], luma[60, 140], rgb[60, 20, 1], rgb[60, 140, 1])]


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.webm", "a.avi"])
def test_full_range_keeps_its_black_and_white(tmp_path, name):
    with av.open(str(tmp_path / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=30, options={"crf": "5"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuvj420p"
        stream.codec_context.color_range = 2
        frame = av.VideoFrame.from_ndarray(BLACK_AND_WHITE, format="rgb24")
        out.mux(stream.encode(frame.reformat(format="yuvj420p", dst_color_range=2)))
        out.mux(stream.encode(None))
    assert brightness(tmp_path / "in.mp4")[:2] == [0, 255]
    swap_film(tmp_path / "in.mp4", tmp_path / name, itertools.repeat([]))
    dark, bright, black, white = brightness(tmp_path / name)
    assert black <= 2 and white >= 252
    assert (dark, bright) == (pytest.approx(16, abs=2), pytest.approx(235, abs=2)) if name == "a.avi" else dark <= 1


@pytest.mark.parametrize("name", ["a.mp4", "a.gif"])
@pytest.mark.parametrize("second", [(60, 80), (240, 320), (80, 60)])
def test_a_video_that_changes_its_size_keeps_the_first(tmp_path, name, second):
    parts = []
    for number, size in enumerate((SIZE, second)):
        image = np.full((*size, 3), 60 + 100 * number, np.uint8)
        make_video(tmp_path / f"{number}.ts", [image] * 4, [512 * (4 * number + i) for i in range(4)], sound=False)
        parts.append((tmp_path / f"{number}.ts").read_bytes())
    (tmp_path / "in.ts").write_bytes(b"".join(parts))
    seen = [image.shape for image in read_video(tmp_path / "in.ts")[1]]
    assert (*SIZE, 3) in seen and (*second, 3) in seen, "the test's own video does not change its size"
    swap_film(tmp_path / "in.ts", tmp_path / name, itertools.repeat([]))
    _, images, _, _ = read_video(tmp_path / name)
    assert len(images) == len(seen) and {image.shape for image in images} == {(*SIZE, 3)}
    assert np.abs(images[-1].astype(int) - 160).max() <= 8  # the whole frame, its edges too


def test_a_camera_that_changes_its_size_is_written_at_the_first(tmp_path):
    write(tmp_path / "a.mp4", range(0, 120, 40), images=[textured(), textured((60, 80)), textured((240, 320))])
    assert {image.shape for image in read_video(tmp_path / "a.mp4")[1]} == {(*SIZE, 3)}


def test_quality_of_mpeg4_follows_the_flag(tmp_path):
    times, size = range(0, 400, 40), {}
    for crf in (None, 0, 18, 24, 40):
        write(tmp_path / "a.avi", times, crf=crf)
        size[crf] = (tmp_path / "a.avi").stat().st_size
    assert size[0] > size[18] > size[24] > size[40] and size[None] == size[18]
    write(tmp_path / "a.mp4", times, codec="mpeg4")
    assert (tmp_path / "a.mp4").stat().st_size == pytest.approx(size[18], rel=0.25)
    for crf in (18, 30):
        write(tmp_path / "a.mkv", times, codec="mjpeg", crf=crf)
        size[crf] = (tmp_path / "a.mkv").stat().st_size
    assert size[18] > 1.5 * size[30]
    assert [encoder.quantiser_of(crf) for crf in (0, 18, 24, 30, 63)] == [1, 2, 4, 8, 31]


def test_an_encoder_without_a_scale_of_quality_says_so(tmp_path):
    with pytest.raises(ValueError, match=r"a\.gif: --crf cannot be used, the encoder gif has no such scale of quality"):
        write(tmp_path / "a.gif", [0], crf=20)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("rate", [24, 30, 60, 90, 144])
@pytest.mark.parametrize("name", ["a.avi", "a.gif"])
def test_a_fast_camera_is_not_slowed_down(tmp_path, rate, name):
    times = [round(1000 * i / rate) for i in range(rate)]  # one second
    writer = write(tmp_path / name, times, images=[BLACK_AND_WHITE] * rate)
    found, images, _, _ = read_video(tmp_path / name)
    assert found[-1] - found[0] == pytest.approx(times[-1] / 1000, abs=0.04)
    assert writer.frames == len(images) >= min(rate, 59)


@pytest.mark.parametrize("rate", [Fraction(120000, 1001), Fraction(60000, 1001), Fraction(240)])
def test_mpeg4_takes_every_rate(tmp_path, rate):
    frames = 24
    with av.open(str(tmp_path / "in.mp4"), "w") as out:
        stream = out.add_stream("libx264", rate=rate, options={"bf": "0"})
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for _ in range(frames):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(BLACK_AND_WHITE, format="rgb24")))
        out.mux(stream.encode(None))
    swap_film(tmp_path / "in.mp4", tmp_path / "a.avi", itertools.repeat([]))
    times, _, _, _ = read_video(tmp_path / "a.avi")
    assert len(times) == frames
    assert times[-1] - times[0] == pytest.approx(float((frames - 1) / rate), abs=1e-3)


def test_times_that_run_back_lose_no_frames(tmp_path):
    writer = write(tmp_path / "a.avi", [5000, 5033, 5067, 0, 33, 67])
    assert writer.frames == 6


@pytest.mark.parametrize(
    ("name", "rate", "wanted"), [("a.avi", 96000, 48000), ("a.mp4", 192000, 96000), ("a.webm", 44100, 48000)]
)
def test_sound_of_a_rate_the_encoder_does_not_know_is_resampled(tmp_path, name, rate, wanted):
    with av.open(str(tmp_path / "in.mkv"), "w") as out:
        stream, tone = out.add_stream("libx264", rate=30), out.add_stream("pcm_s24le", rate=rate)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        tone.codec_context.layout = "mono"
        for _ in range(30):
            out.mux(stream.encode(av.VideoFrame.from_ndarray(BLACK_AND_WHITE, format="rgb24")))
        wave = (2**30 * np.sin(2 * np.pi * 440 * np.arange(rate) / rate)).astype(np.int32)
        for start in range(0, rate, 4800):
            frame = av.AudioFrame.from_ndarray(wave[None, start : start + 4800], "s32", "mono")
            frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
            out.mux(tone.encode(frame))
        out.mux(stream.encode(None))
        out.mux(tone.encode(None))
    swap_film(tmp_path / "in.mkv", tmp_path / name, itertools.repeat([]))
    with av.open(str(tmp_path / name)) as source:
        heard = source.streams.audio[0]
        samples = np.concatenate([f.to_ndarray().reshape(-1) for f in source.decode(heard)])
        assert heard.rate == wanted
    assert len(samples) / wanted == pytest.approx(1, abs=0.1)
    middle = samples[len(samples) // 4 : len(samples) // 4 + wanted // 4].astype(float)
    peak = np.abs(np.fft.rfft(middle * np.hanning(len(middle)))).argmax() * wanted / len(middle)
    assert peak == pytest.approx(440, abs=6)


def test_a_gif_carries_its_mark_and_plays(tmp_path):
    write(tmp_path / "a.gif", range(0, 500, 100))
    mark = read_mark(tmp_path / "a.gif")
    assert mark.source_type == COMPOSITE and mark.settings == {"seed": 3}
    assert len(read_video(tmp_path / "a.gif")[1]) == 5
    with Image.open(tmp_path / "a.gif") as picture:
        assert picture.n_frames == 5 and picture.info["loop"] == 0
        assert np.abs(np.asarray(picture.convert("RGB")).astype(int) - textured(seed=0)).mean() < 20
    assert [path.name for path in tmp_path.iterdir()] == ["a.gif"]


def test_odd_sizes_are_written(tmp_path):
    points, image = face_at(80)
    odd = np.ascontiguousarray(image[:119, :159])
    writer = encoder.Writer(tmp_path / "out.mp4", None, {})
    for number in range(3):
        writer.write_frame(odd, 40 * number, Fraction(1, 1000))
    writer.close()
    assert read_video(tmp_path / "out.mp4")[1][0].shape == (120, 160, 3)


def test_a_disk_that_is_full_at_the_end_is_told_and_leaves_nothing(tmp_path):
    class FullAtTheEnd:
        def __init__(self, container):
            self.container = container

        def __getattr__(self, name):
            return getattr(self.container, name)

        def close(self):
            self.container.close()
            raise av.error.OSError(28, "No space left on device")

    writer = encoder.Writer(tmp_path / "out.mp4", None, {})
    writer.write_frame(np.zeros((64, 64, 3), np.uint8), 0, Fraction(1, 1000))
    writer._out = FullAtTheEnd(writer._out)
    with pytest.raises(OSError, match=r"out\.mp4: cannot be written \(No space left on device\)"):
        writer.close()
    assert not list(tmp_path.iterdir())


def test_an_encoder_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="no such encoder"):
        encoder.codec_of("h999")

"""Facts about videos with a new face: frames, times, sound, and what is left when something is wrong."""

import itertools
from fractions import Fraction

import av
import cv2
import numpy as np
import pytest
from drawn_face import FakeLandmarker
from drawn_film import PTS, SIZE, MovingLandmarker, face_at, make_video, read_video, swap_film, textured

from faceswap.find.tracking import Tracker
from faceswap.jobs import film
from faceswap.media.ffmpeg import ReadError
from faceswap.media.video import open_video
from faceswap.swap import Options, Swapper
from provenance import COMPOSITE, from_xmp


def test_every_frame_comes_out_at_its_time_with_its_sound_bit_for_bit(clip, tmp_path):
    path, faces, images = clip
    done = swap_film(path, tmp_path / "new" / "out.mp4", faces)
    assert [p.frames for p in done] == list(range(1, 11))
    assert done[-1].swapped == 8 and done[-1].total == 10
    times, found, sound, comment = read_video(tmp_path / "new" / "out.mp4")
    before = read_video(path)
    assert times == before[0] and len(found) == 10
    assert sound == before[2] and len(sound) > 10
    for number in (4, 5):
        assert np.abs(found[number].astype(int) - images[number]).max() <= 6
    cheek = np.s_[64:72, 60:68]
    assert np.abs(found[0][cheek].astype(int) - images[0][cheek]).mean() > 0.5
    mark = from_xmp(comment)
    assert mark.source_type == COMPOSITE and mark.settings == {"seed": 3}
    assert [p.name for p in (tmp_path / "new").iterdir()] == ["out.mp4"]


@pytest.mark.parametrize(
    ("name", "codec"), [("a.avi", "mpeg4"), ("a.mkv", "h264"), ("a.webm", "vp9"), ("a.gif", "gif")]
)
def test_the_ending_chooses_the_format(clip, tmp_path, name, codec):
    path, faces, images = clip
    swap_film(path, tmp_path / name, faces)
    times, found, sound, _ = read_video(tmp_path / name)
    assert len(found) == len(PTS) and found[0].shape == (*SIZE, 3)
    wanted = np.array(PTS) / 15360
    assert np.abs(np.diff(times) - np.diff(wanted)).max() < (
        0.034 if name == "a.avi" else 0.011
    )  # one frame of a fixed rate
    assert bool(sound) == (name != "a.gif")
    with av.open(str(tmp_path / name)) as again:
        assert again.streams.video[0].codec_context.name == codec
    assert np.abs(found[4].astype(int) - 100).mean() < 4


def flash_and_beep(path):
    """Writes one second of grey in which a white picture and a tone begin at half-time; returns the time of both."""
    start = 15
    with av.open(str(path), "w") as out:
        stream, tone = out.add_stream("libx264", rate=30, options={"bf": "0"}), out.add_stream("aac", rate=44100)
        stream.width, stream.height, stream.pix_fmt = SIZE[1], SIZE[0], "yuv420p"
        for number in range(30):
            image = np.full((*SIZE, 3), 255 if number >= start else 90, np.uint8)
            out.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        wave = 12000 * np.sin(0.2 * np.arange(44100)) * (np.arange(44100) >= start / 30 * 44100)
        for number in range(0, 44100, 1024):
            frame = av.AudioFrame.from_ndarray(wave[None, number : number + 1024].astype(np.int16), "s16", "mono")
            frame.sample_rate, frame.pts, frame.time_base = 44100, number, Fraction(1, 44100)
            out.mux(tone.encode(frame))
        out.mux(stream.encode(None))
        out.mux(tone.encode(None))
    return start / 30


def starts_of(path):
    """Returns when the picture becomes white and when the sound becomes loud, in seconds."""
    white = loud = None
    with av.open(str(path)) as source:
        for packet in source.demux():
            for frame in packet.decode():
                if isinstance(frame, av.VideoFrame):
                    if white is None and frame.to_ndarray(format="gray").mean() > 170:
                        white = frame.time
                elif loud is None:
                    samples = frame.to_ndarray().astype(float)
                    samples = samples / 32768 if frame.format.name.startswith("s16") else samples
                    over = np.flatnonzero(np.abs(samples).reshape(-1, frame.samples).max(0) > 0.12)
                    loud = frame.time + over[0] / frame.sample_rate if len(over) else None
    return white, loud


@pytest.mark.parametrize("name", ["a.mp4", "a.mkv", "a.avi", "a.webm"])
def test_sound_and_picture_stay_together(tmp_path, name):
    wanted = flash_and_beep(tmp_path / "in.mp4")
    swap_film(tmp_path / "in.mp4", tmp_path / name, itertools.repeat([]))
    white, loud = starts_of(tmp_path / name)
    before = starts_of(tmp_path / "in.mp4")
    assert white == pytest.approx(wanted, abs=0.035) and loud == pytest.approx(wanted, abs=0.035), (white, loud, before)


def test_rotation_is_applied(tmp_path):
    points, image = face_at(80)
    make_video(tmp_path / "in.mp4", [image] * 3, rotation=90)
    with av.open(str(tmp_path / "in.mp4")) as source:
        if not next(source.decode(video=0)).rotation:
            pytest.fail("the test's own video has no rotation")
    swap_film(tmp_path / "in.mp4", tmp_path / "out.mp4", itertools.repeat([]))
    _, found, _, _ = read_video(tmp_path / "out.mp4")
    assert found[0].shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(found[0].astype(int) - np.rot90(image)).mean() < 4
    with av.open(str(tmp_path / "out.mp4")) as again:
        assert not next(again.decode(video=0)).rotation


@pytest.mark.parametrize("space", [1, 5])  # ITU-R BT.709 and BT.601
def test_colours_survive_whatever_their_matrix(tmp_path, space):
    image = np.full((*SIZE, 3), (200, 40, 60), np.uint8)
    make_video(tmp_path / "in.mp4", [image] * 2, sound=False, colorspace=space)
    swap_film(tmp_path / "in.mp4", tmp_path / "out.mp4", itertools.repeat([]))
    before, after = read_video(tmp_path / "in.mp4")[1][0], read_video(tmp_path / "out.mp4")[1][0]
    assert np.abs(after.astype(int) - before).max() <= 3
    assert np.abs(before.astype(int) - image).max() <= 6


def test_stopped_early_the_file_plays(clip, tmp_path):
    path, faces, _ = clip
    swapper_points, source = face_at(80)
    swapper = Swapper(source, Options(), FakeLandmarker(), points=swapper_points)
    tracker = Tracker(MovingLandmarker(faces))
    job = film.swap_video(path, tmp_path / "out.mp4", tracker, lambda image, tracks: swapper.swap(image, []), {})
    for _ in range(4):
        next(job)
    job.close()
    assert len(read_video(tmp_path / "out.mp4")[1]) == 4
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.mp4", "out.mp4"]


def test_a_failure_leaves_nothing_behind(clip, tmp_path):
    path, faces, _ = clip

    def fail(image, tracks):
        raise RuntimeError("no")

    with pytest.raises(RuntimeError):
        list(film.swap_video(path, tmp_path / "out.mp4", Tracker(MovingLandmarker(faces)), fail, {}))
    assert [p.name for p in tmp_path.iterdir()] == ["in.mp4"]


@pytest.mark.parametrize("keep", [0.0, 0.2, 0.5, 0.9, 0.97])
def test_cut_off_and_damaged_videos_give_one_sentence_or_what_is_left(clip, tmp_path, keep):
    path, _, _ = clip
    content = bytearray(path.read_bytes())
    (tmp_path / "cut.mp4").write_bytes(content[: int(keep * len(content))])
    rng = np.random.default_rng(int(100 * keep))
    for position in rng.integers(0, len(content), 30):
        content[position] = rng.integers(0, 256)
    (tmp_path / "hit.mp4").write_bytes(content)
    for name in ("cut.mp4", "hit.mp4"):
        try:
            done = swap_film(tmp_path / name, tmp_path / "out.mp4", itertools.repeat([]))
            assert done and (tmp_path / "out.mp4").exists()
        except (OSError, ValueError) as error:
            assert "\n" not in str(error) and ".mp4" in str(error)
            assert not list(tmp_path.glob(".*"))


class BreaksOff:
    """An opened video whose disk fails after some packets."""

    def __init__(self, source, packets):
        self.source, self.packets = source, packets

    def __getattr__(self, name):
        return getattr(self.source, name)

    def demux(self, streams):
        yield from itertools.islice(self.source.demux(streams), self.packets)
        raise av.error.OSError(5, "Input/output error")


@pytest.mark.parametrize("packets", [0, 12])
def test_a_source_that_breaks_off_is_named_and_what_was_made_is_kept(clip, tmp_path, monkeypatch, packets):
    path, faces, _ = clip
    opened = film.open_video
    monkeypatch.setattr(film, "open_video", lambda path: BreaksOff(opened(path), packets))
    with pytest.raises(ReadError, match=r"in\.mp4: cannot be read any further \(Input/output error\)") as told:
        swap_film(path, tmp_path / "out.mp4", faces)
    monkeypatch.undo()
    kept = (tmp_path / "out.mp4").exists()
    assert kept == ("out.mp4" in str(told.value)) == (packets > 0)
    assert not kept or 0 < len(read_video(tmp_path / "out.mp4")[1]) < 10
    assert not list(tmp_path.glob(".*"))


def test_who_is_followed_is_not_lost_where_the_size_changes(tmp_path):
    parts = []
    for number, image in enumerate((textured(), textured((240, 320)))):
        make_video(tmp_path / f"{number}.ts", [image] * 3, [512 * (3 * number + i) for i in range(3)], sound=False)
        parts.append((tmp_path / f"{number}.ts").read_bytes())
    (tmp_path / "in.ts").write_bytes(b"".join(parts))
    sizes = []

    class Watching:
        def update(self, image, seconds):
            sizes.append(image.shape[:2])
            return []

    with open_video(tmp_path / "in.ts") as source:
        pieces = list(film.read_pieces(source, Watching()))
    assert set(sizes) == {SIZE} and len(sizes) == len([p for p in pieces if p.image is not None]) == 6


def test_each_stage_has_its_share_of_the_processors_and_gives_it_back(clip, tmp_path):
    before, seen = cv2.getNumThreads(), set()

    def swap(image, tracks):
        seen.add(cv2.getNumThreads())
        return image

    path, faces, _ = clip
    list(film.swap_video(path, tmp_path / "out.mp4", Tracker(MovingLandmarker(faces)), swap, {}))
    assert seen == {max(1, min(before, cv2.getNumberOfCPUs() // film.STAGES))} and cv2.getNumThreads() == before

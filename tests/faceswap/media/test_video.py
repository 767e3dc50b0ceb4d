"""Facts about faces through time, and about video files."""

import itertools
import threading
import time
from fractions import Fraction

import av
import numpy as np
import pytest
from drawn_face import FakeLandmarker, draw_face, place_mesh
from PIL import Image

from faceswap.cli import film as main_video
from faceswap.cli.film import Latest, Meter, live_results, main
from faceswap.find.tracking import FORGET, FaceChoice, OneEuro, Tracker, face_look, smoothing
from faceswap.media import encoder, video
from faceswap.media.pipeline import Behind, ahead
from faceswap.shape.regions import face_width
from faceswap.swap import Options, Swapper
from provenance import COMPOSITE, from_xmp

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
                    images.append(video.upright(frame))
        return times, images, sound, source.metadata.get("comment", "")


def run(src, out, frames_of_faces, **options):
    """Swaps a video with known landmarks; returns the list of Progress."""
    source_points, source = face_at(80, skin=(140, 95, 70))
    swapper = Swapper(source, Options(), FakeLandmarker(), points=source_points)

    def swap(image, tracks):
        return swapper.swap(image, [track.points for track in tracks])

    tracker = Tracker(MovingLandmarker(frames_of_faces))
    return list(video.swap_video(src, out, tracker, swap, {"seed": 3}, **options))


@pytest.fixture
def clip(tmp_path):
    """A face that moves, for ten frames of which two have none."""
    parts = [face_at(60 + 3 * i) for i in range(len(PTS))]
    faces = [[points] for points, _ in parts]
    images = [image for _, image in parts]
    for number in (4, 5):
        faces[number], images[number] = [], np.full((*SIZE, 3), 100, np.uint8)
    make_video(tmp_path / "in.mp4", images)
    return tmp_path / "in.mp4", faces, images


def test_every_frame_comes_out_at_its_time_with_its_sound_bit_for_bit(clip, tmp_path):
    path, faces, images = clip
    done = run(path, tmp_path / "new" / "out.mp4", faces)
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
    run(path, tmp_path / name, faces)
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
    run(tmp_path / "in.mp4", tmp_path / name, itertools.repeat([]))
    white, loud = starts_of(tmp_path / name)
    before = starts_of(tmp_path / "in.mp4")
    assert white == pytest.approx(wanted, abs=0.035) and loud == pytest.approx(wanted, abs=0.035), (white, loud, before)


def test_rotation_is_applied(tmp_path):
    points, image = face_at(80)
    make_video(tmp_path / "in.mp4", [image] * 3, rotation=90)
    with av.open(str(tmp_path / "in.mp4")) as source:
        if not next(source.decode(video=0)).rotation:
            pytest.fail("the test's own video has no rotation")
    run(tmp_path / "in.mp4", tmp_path / "out.mp4", itertools.repeat([]))
    _, found, _, _ = read_video(tmp_path / "out.mp4")
    assert found[0].shape == (SIZE[1], SIZE[0], 3)
    assert np.abs(found[0].astype(int) - np.rot90(image)).mean() < 4
    with av.open(str(tmp_path / "out.mp4")) as again:
        assert not next(again.decode(video=0)).rotation


@pytest.mark.parametrize("space", [1, 5])  # ITU-R BT.709 and BT.601
def test_colours_survive_whatever_their_matrix(tmp_path, space):
    image = np.full((*SIZE, 3), (200, 40, 60), np.uint8)
    make_video(tmp_path / "in.mp4", [image] * 2, sound=False, colorspace=space)
    run(tmp_path / "in.mp4", tmp_path / "out.mp4", itertools.repeat([]))
    before, after = read_video(tmp_path / "in.mp4")[1][0], read_video(tmp_path / "out.mp4")[1][0]
    assert np.abs(after.astype(int) - before).max() <= 3
    assert np.abs(before.astype(int) - image).max() <= 6


def test_odd_sizes_are_written(tmp_path):
    points, image = face_at(80)
    odd = np.ascontiguousarray(image[:119, :159])
    writer = video.Writer(tmp_path / "out.mp4", None, {})
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

    writer = video.Writer(tmp_path / "out.mp4", None, {})
    writer.write_frame(np.zeros((64, 64, 3), np.uint8), 0, Fraction(1, 1000))
    writer._out = FullAtTheEnd(writer._out)
    with pytest.raises(OSError, match=r"out\.mp4: cannot be written \(No space left on device\)"):
        writer.close()
    assert not list(tmp_path.iterdir())


def test_stopped_early_the_file_plays(clip, tmp_path):
    path, faces, _ = clip
    swapper_points, source = face_at(80)
    swapper = Swapper(source, Options(), FakeLandmarker(), points=swapper_points)
    tracker = Tracker(MovingLandmarker(faces))
    job = video.swap_video(path, tmp_path / "out.mp4", tracker, lambda image, tracks: swapper.swap(image, []), {})
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
        list(video.swap_video(path, tmp_path / "out.mp4", Tracker(MovingLandmarker(faces)), fail, {}))
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
            done = run(tmp_path / name, tmp_path / "out.mp4", itertools.repeat([]))
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
    opened = video.open_video
    monkeypatch.setattr(video, "open_video", lambda path: BreaksOff(opened(path), packets))
    with pytest.raises(video.ReadError, match=r"in\.mp4: cannot be read any further \(Input/output error\)") as told:
        run(path, tmp_path / "out.mp4", faces)
    monkeypatch.undo()
    kept = (tmp_path / "out.mp4").exists()
    assert kept == ("out.mp4" in str(told.value)) == (packets > 0)
    assert not kept or 0 < len(read_video(tmp_path / "out.mp4")[1]) < 10
    assert not list(tmp_path.glob(".*"))


def test_files_that_are_no_video_are_named(tmp_path):
    (tmp_path / "a.mp4").write_text("hello")
    with pytest.raises(ValueError, match="a.mp4: cannot be read as a video"):
        video.open_video(tmp_path / "a.mp4")
    with pytest.raises(FileNotFoundError, match="no such file"):
        video.open_video(tmp_path / "b.mp4")
    with pytest.raises(ValueError, match="no such encoder"):
        encoder.codec_of("h999")


def test_work_ahead_keeps_its_order_is_bounded_and_ends_with_whoever_wants_it():
    made = []

    def numbers():
        for number in itertools.count():
            made.append(number)
            yield number

    items = ahead(numbers(), 3)
    assert [next(items) for _ in range(10)] == list(range(10))
    time.sleep(0.05)
    assert len(made) <= 10 + 3 + 2  # those waiting, and one in hand at each side
    items.close()
    assert not [t for t in threading.enumerate() if t.name == "ahead"]
    count = len(made)
    time.sleep(0.02)
    assert len(made) == count
    assert list(ahead(iter([]), 2)) == []


def test_an_error_of_the_work_ahead_comes_at_its_place():
    def fails():
        yield 1
        raise ValueError("bad frame")

    items = ahead(fails(), 4)
    assert next(items) == 1
    with pytest.raises(ValueError, match="bad frame"):
        next(items)


def test_work_behind_is_done_in_order_is_bounded_and_done_before_its_end():
    done, gate, given = [], threading.Event(), []

    def give(number):
        gate.wait(5)
        done.append((number, threading.current_thread().name))

    def giver():
        with Behind(2) as writing:
            for number in range(20):
                writing.do(give, number)
                given.append(number)

    thread = threading.Thread(target=giver)
    thread.start()
    time.sleep(0.05)
    assert len(given) <= 3 and not done  # two that wait and one in hand
    gate.set()
    thread.join()
    assert done == [(number, "behind") for number in range(20)]


@pytest.mark.parametrize("at", [0, 3, 9])
def test_an_error_of_the_work_behind_is_told_and_ends_it(at):
    done = []

    def fail(number):
        if number == at:
            raise OSError("disk full")
        done.append(number)

    with pytest.raises(OSError, match="disk full"), Behind(1) as writing:
        for number in range(10):
            writing.do(fail, number)
    assert done == list(range(at))
    assert not [t for t in threading.enumerate() if t.name == "behind"]


def test_what_waits_behind_is_finished_when_stopped_and_dropped_when_something_is_wrong():
    for error, complete in ((KeyboardInterrupt, True), (ValueError, False)):
        done, until = [], time.monotonic() + 30

        def first(writing, complete=complete, until=until):  # goes on when the error is known
            while writing._error is None and not complete and time.monotonic() < until:
                time.sleep(0.001)

        with pytest.raises(error), Behind(5) as writing:
            writing.do(first, writing)
            for number in range(4):
                writing.do(done.append, number)
            raise error
        assert done == ([0, 1, 2, 3] if complete else [])


def test_the_filter_calms_a_face_at_rest_and_does_not_lag_behind_a_quick_one():
    rng = np.random.default_rng(0)
    points = place_mesh((200, 200), 80)
    still, filtered = OneEuro(), []
    for _ in range(60):
        filtered.append(still(points + np.float32(rng.normal(0, 0.3, points.shape)), 1 / 30))
    moves = np.abs(np.diff(filtered[10:], axis=0))[:, :, :2].mean()
    assert moves < 0.15  # 0.34 unfiltered
    quick = OneEuro()
    for number in range(30):
        moved = points + np.float32([8 * number, 0, 0])
        last = quick(moved, 1 / 30)
    assert np.abs(last - moved).max() < 0.02 * face_width(points)


def test_a_jump_starts_the_filter_anew():
    points, filtered = place_mesh((100, 100), 50), OneEuro()
    filtered(points, 1 / 30)
    away = points + np.float32([90, 0, 0])
    np.testing.assert_array_equal(filtered(away, 1 / 30), away)


def test_smoothing_depends_on_time_not_on_frames():
    once = 1 - smoothing(2.0, 1e-3)
    assert once**2 == pytest.approx(1 - smoothing(2.0, 2e-3), rel=1e-3)


def crossing(step):
    """Two people of different complexion who walk through each other; returns frames of (faces, image)."""
    left, right = (205, 160, 135), (110, 75, 55)
    for x in range(30, 131, step):
        a, b = place_mesh((x, 58), 20), place_mesh((160 - x, 62), 20)
        image = draw_face(a, SIZE, skin=left)
        face = draw_face(b, SIZE, skin=right)
        near = np.abs(np.arange(SIZE[1]) - (160 - x)) < 20
        image[:, near] = face[:, near]
        covered = abs(2 * x - 160) < 24
        yield ([b] if covered else [a, b]), image, a, b


@pytest.mark.parametrize("step", [2, 5])
def test_people_who_cross_keep_their_numbers(step):
    frames = list(crossing(step))
    tracker = Tracker(MovingLandmarker(faces for faces, *_ in frames))
    names = {}
    for _, image, a, _ in frames:
        for track in tracker.update(image):
            who = "a" if np.abs(track.raw - a).max() < 1e-3 else "b"
            names.setdefault(who, []).append(track.number)
    assert len(set(names["a"])) == 1 and len(set(names["b"])) == 1
    assert names["a"][0] != names["b"][0]


def test_a_face_gone_for_a_moment_is_the_same_and_after_long_a_new_one():
    points, image = face_at(80)
    for gone, same in ((10, True), (100, False)):
        tracker = Tracker(MovingLandmarker([[points]] * 3 + [[]] * gone + [[points]]))
        numbers = [[t.number for t in tracker.update(image)] for _ in range(4 + gone)]
        assert numbers[0] == [0] and numbers[-1] == ([0] if same else [1])


def test_looks_tell_people_apart():
    one, other = (draw_face(place_mesh((80, 60), 26), SIZE, skin=skin) for skin in ((205, 160, 135), (110, 75, 55)))
    points = place_mesh((80, 60), 26)
    assert np.abs(face_look(one, points) - face_look(other, points)).mean() > 8
    assert np.abs(face_look(one, points) - face_look(one, points)).max() == 0


def chosen(face, frames, seconds=1 / 30):
    """Returns, for each frame of faces, the middle x of each that is chosen."""
    choice = FaceChoice(Tracker(MovingLandmarker(frames), steady=False), face)
    image = np.full((*SIZE, 3), 128, np.uint8)
    return [[round(float(track.raw[:, 0].mean())) for track in choice.update(image, seconds)] for _ in frames]


def test_the_largest_face_stays_the_chosen_one_though_it_is_out_of_sight_for_a_while():
    small, large = place_mesh((40, 60), 12), place_mesh((110, 60), 26)
    here, there = (round(float(points[:, 0].mean())) for points in (large, small))
    both, other = [large, small], [small]
    frames = [both] * 3 + [other] * 5 + [[]] * 2 + [both] * 3
    assert chosen("largest", frames) == [[here]] * 3 + [[]] * 7 + [[here]] * 3
    growing = [[place_mesh((40, 60), 12 + n), large] for n in range(0, 25, 3)]
    assert chosen("largest", growing) == [[here]] * len(growing)
    assert chosen(1, [both] * 3) == [[there]] * 3 and chosen(7, [both] * 3) == [[]] * 3
    assert [len(xs) for xs in chosen("all", [both, other, both])] == [2, 1, 2]


def test_another_face_is_chosen_once_the_first_is_forgotten():
    small, large = place_mesh((40, 60), 12), place_mesh((110, 60), 26)
    found = chosen("largest", [[large, small]] * 2 + [[small]] * 12 + [[large, small]] * 2, FORGET / 8)
    there = round(float(small[:, 0].mean()))
    assert found[2] == [] and found[9] == [] and found[12:] == [[there]] * 4


def test_the_command_shows_every_frame_and_writes_down_all_the_result_depends_on(clip, tmp_path, monkeypatch):
    path, faces, _ = clip
    points, image = face_at(80, skin=(140, 95, 70))
    Image.fromarray(image).save(tmp_path / "face.png")
    finder, shown = MovingLandmarker([[points], *faces]), []
    monkeypatch.setattr(main_video, "make_landmarker", lambda *args, **named: finder)
    monkeypatch.setattr(main_video.Window, "show", lambda window, image, text="": shown.append(image))
    files = ["--src_img", tmp_path / "face.png", "--video_path", path, "--save_path", tmp_path / "out.mp4"]
    assert main([*map(str, files), "--face", "0", "--src_face", "0", "--landmarks", "fan"]) == 0
    assert len(shown) == len(PTS)
    settings = from_xmp(read_video(tmp_path / "out.mp4")[3]).settings
    assert (settings["face"], settings["src_face"], settings["landmarks"]) == (0, 0, "fan")


@pytest.mark.parametrize("flags", [["--camera", "0"], ["--virtual_camera"]])
def test_flags_of_the_camera_go_with_no_video(flags, capsys):
    with pytest.raises(SystemExit) as told:
        main(["--src_img", "a.png", "--video_path", "in.mp4", "--save_path", "out.mp4", *flags])
    assert told.value.code == 2
    assert (
        capsys.readouterr()
        .err.splitlines()[-1]
        .startswith(f"main_video.py: error: argument {flags[0]}: not allowed with --video_path")
    )


def test_frames_of_the_swapper_are_as_many_as_came_in():
    points, image = face_at(80)
    source_points, source = face_at(80, skin=(140, 95, 70))
    swapper = Swapper(source, Options(), MovingLandmarker([[points], [], [points]]), points=source_points)
    found = list(swapper.frames([image] * 3))
    assert len(found) == 3
    np.testing.assert_array_equal(found[1], image)
    assert (found[0] != image).any() and (found[2] != image).any()


def paced(frames, rate, images):
    for number in range(frames):
        time.sleep(1 / rate)
        yield np.full((*SIZE, 3), number, np.uint8) if images is None else images[number]


def test_the_latest_frame_wins_and_the_delay_does_not_grow():
    latest = Latest(paced(60, 200, None))
    seen, delays = [], []
    for taken, image in latest:
        time.sleep(0.03)  # six times slower than the camera
        seen.append(int(image[0, 0, 0]))
        delays.append(time.perf_counter() - taken)
    assert seen == sorted(set(seen)) and len(seen) < 30
    assert latest.read == 60 and seen[-1] >= 58
    assert np.median(delays[len(delays) // 2 :]) < 0.2


def test_at_full_pace_every_frame_is_seen():
    latest = Latest(paced(30, 100, None))
    assert len([image for _, image in latest]) >= 25


def test_what_goes_wrong_in_a_stage_is_told_after_its_last_item():
    def frames():
        yield 1
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="the camera is gone"):
        for _ in Latest(frames()):
            pass


def test_the_live_picture_is_swapped():
    points, image = face_at(80)
    source_points, source = face_at(80, skin=(140, 95, 70))
    swapper = Swapper(source, Options(), FakeLandmarker(points), points=source_points)
    latest = Latest(paced(5, 50, [image] * 5))
    results = list(live_results(latest, FaceChoice(Tracker(swapper.landmarker)), swapper))
    assert results and all((result != image).any() for _, result in results)
    assert "ms" in Meter()(time.perf_counter()) and threading.active_count() < 20

"""Facts about following faces: when new ones are taken up, that pace changes nothing, how well they are followed."""

import threading
import time

import cv2
import numpy as np
import pytest
from drawn_face import draw_face, place_mesh
from drawn_film import MovingLandmarker, face_at
from skimage import data

from faceswap.find.detection import BOTH, FULL_RANGE, SHORT_RANGE
from faceswap.find.mesh import MeshLandmarker
from faceswap.find.tracking import FORGET, LOOK, LOOK_CLOSELY, TURNS, FaceChoice, OneEuro, Tracker, face_look, smoothing
from faceswap.shape.geometry import overlap
from faceswap.shape.regions import LEFT_EYE, RIGHT_EYE, box_of, face_width

PHOTO = np.ascontiguousarray(data.astronaut())
SIZE = (120, 200)


class Scene:
    """Knows the faces of each frame, whose number is its first pixel, and finds and follows them like the mesh does.

    Args:
        scenes: for each frame the faces in it by name.
        seconds: that a search takes.
    """

    def __init__(self, scenes, seconds=0.0):
        self.scenes, self.seconds, self.searches = scenes, seconds, []

    def faces(self, image):
        return list(self.scenes[int(image[0, 0, 0])].values())

    def find_others(self, image, known, whole=BOTH, tile=None):
        time.sleep(self.seconds)
        number = int(image[0, 0, 0])
        self.searches.append((number, tuple(whole), tile, threading.current_thread().name))
        if not whole:
            return []
        boxes = [box_of(points) for points in known]
        return [p for p in self.faces(image) if all(overlap(box_of(p), box) < 0.5 for box in boxes)]

    def follow(self, image, points):
        near = [p for p in self.faces(image) if np.abs((p - points)[:, :2].mean(0)).max() < 0.4 * face_width(p)]
        return near[0] if near else None


def frame(number, faces):
    image = np.full((*SIZE, 3), 120, np.uint8)
    for points, skin in faces:
        part = draw_face(points, SIZE, skin=skin)
        near = np.abs(np.arange(SIZE[1]) - points[:, 0].mean()) < 25
        image[:, near] = part[:, near]
    image[0, 0] = number
    return image


SKINS = {"a": (205, 160, 135), "b": (110, 75, 55)}


def play(scenes, seconds=0.0, reuse=False):
    """Returns for each frame {number of the track: name of the face}, and the landmarker."""
    landmarker = Scene(scenes, seconds)
    tracker, seen, buffer = Tracker(landmarker, steady=False), [], np.empty((*SIZE, 3), np.uint8)
    for number, faces in enumerate(scenes):
        image = frame(number, [(points, SKINS[name]) for name, points in faces.items()])
        if reuse:
            buffer[:] = image
            image = buffer
        tracks = tracker.update(image)
        if reuse:
            image[1:] = 0  # whoever reads the video may use its frame for the next one
        seen.append(
            {t.number: name for t in tracks for name, points in faces.items() if np.abs(t.raw - points).max() < 1e-3}
        )
        assert len(seen[-1]) == len(tracks)
    return seen, landmarker


def entering(at, frames=30):
    one, other = place_mesh((50, 60), 22), place_mesh((150, 60), 22)
    return [{"a": one + np.float32([0.3 * n, 0, 0])} | ({"b": other} if n >= at else {}) for n in range(frames)]


@pytest.mark.parametrize("at", range(1, LOOK + 1))
def test_a_face_that_enters_is_taken_up_soon(at):
    seen, _ = play(entering(at))
    first = next(number for number, names in enumerate(seen) if "b" in names.values())
    assert at <= first <= at + LOOK + 1
    assert all(names == ({0: "a", 1: "b"} if n >= first else {0: "a"}) for n, names in enumerate(seen))


def test_the_pace_of_the_machine_and_the_buffers_of_the_reader_change_nothing():
    plain, quick = play(entering(5))
    slow, late = play(entering(5), seconds=0.01)
    reused, _ = play(entering(5), reuse=True)
    assert plain == slow == reused and len(plain[-1]) == 2
    assert quick.searches == late.searches


def test_searches_run_beside_and_never_two_networks_in_one_frame():
    _, landmarker = play(entering(40, 40))
    first, *others = landmarker.searches
    assert first[0] == 0 and first[3] == "MainThread"
    assert {name for *_, name in others} == {"aside"}
    numbers = [number for number, *_ in others]
    assert len(set(numbers)) == len(numbers)
    assert all(len(whole) + (tile is not None) == 1 for _, whole, tile, _ in others)
    assert {whole for _, whole, _, _ in others} == {(), (SHORT_RANGE,), (FULL_RANGE,)}
    tiles = [tile for _, _, tile, _ in others if tile is not None]
    assert tiles == list(range(tiles[0], tiles[0] + 1 + 39 // LOOK_CLOSELY))
    assert not any(turn % LOOK_CLOSELY == 0 for turn in TURNS)


def test_after_a_cut_the_new_face_is_there_at_once():
    one, other = place_mesh((40, 60), 22), place_mesh((150, 60), 22)
    seen, _ = play([{"a": one}] * 5 + [{"b": other}] * 5)
    assert seen == [{0: "a"}] * 5 + [{1: "b"}] * 5


def test_a_face_lost_beside_another_is_searched_for_at_once_and_keeps_its_number():
    one, other = place_mesh((50, 60), 22), place_mesh((150, 60), 22)
    away = other + np.float32([-22, 0, 0])  # too far for one frame
    seen, landmarker = play([{"a": one, "b": other}] * 4 + [{"a": one, "b": away}] * 4)
    assert seen == [{0: "a", 1: "b"}] * 4 + [{0: "a"}] + [{0: "a", 1: "b"}] * 3
    assert (4, (SHORT_RANGE, FULL_RANGE)) in {search[:2] for search in landmarker.searches}


def test_a_face_hidden_for_a_frame_is_back_with_its_number_without_a_search():
    class OnceFound(Scene):
        def find_others(self, image, *arguments):
            return super().find_others(image, *arguments) if image[0, 0, 0] == 0 else []

    one, other = place_mesh((50, 60), 22), place_mesh((150, 60), 22)
    scenes = [{"a": one, "b": other}] * 4 + [{"a": one}] * 2 + [{"a": one, "b": other}] * 2
    tracker, seen = Tracker(OnceFound(scenes), steady=False), []
    for number, faces in enumerate(scenes):
        tracks = tracker.update(frame(number, [(points, SKINS[name]) for name, points in faces.items()]))
        seen.append([track.number for track in tracks])
    assert seen == [[0, 1]] * 4 + [[0]] * 2 + [[0, 1]] * 2


def test_followed_people_who_cross_keep_their_numbers():
    scenes = []
    for x in range(40, 161, 3):
        a, b = place_mesh((x, 58), 20), place_mesh((200 - x, 62), 20)
        scenes.append({"b": b} if abs(2 * x - 200) < 30 else {"a": a, "b": b})
    seen, _ = play(scenes)
    names = {(number, name) for frame_names in seen for number, name in frame_names.items()}
    assert len(names) == 2 and len({name for _, name in names}) == 2
    assert set(seen[-1].values()) == {"a", "b"}


def test_what_goes_wrong_in_a_search_is_told_at_the_next_frame():
    class Failing(Scene):
        def find_others(self, image, known, whole=BOTH, tile=None):
            if known:
                raise RuntimeError("no memory")
            return super().find_others(image, known, whole, tile)

    tracker, scenes = Tracker(Failing(entering(9))), entering(9)
    tracker.update(frame(0, [(scenes[0]["a"], SKINS["a"])]))
    with pytest.raises(RuntimeError, match="no memory"):
        tracker.update(frame(1, [(scenes[1]["a"], SKINS["a"])]))


@pytest.fixture(scope="module")
def mesh():
    made = MeshLandmarker()
    return made, made.find(PHOTO)[0]


def error(found, wanted):
    """Mean distance in per cent of the distance between the eyes."""
    apart = np.linalg.norm(wanted[list(LEFT_EYE), :2].mean(0) - wanted[list(RIGHT_EYE), :2].mean(0))
    return 100 * np.linalg.norm(found[:, :2] - wanted[:, :2], axis=1).mean() / apart


@pytest.mark.parametrize("angle", [0, 40])
@pytest.mark.parametrize("shift", [0.0, 0.1, 0.2])
def test_a_face_that_moved_is_followed_nearly_as_well_as_it_is_found(mesh, shift, angle):
    landmarker, _ = mesh
    matrix = cv2.getRotationMatrix2D((225, 130), angle, 1.0)
    image = cv2.warpAffine(PHOTO, matrix, (512, 512), borderMode=cv2.BORDER_REPLICATE)
    (wanted,) = landmarker.find(image)
    before = wanted + np.float32([0.8, 0.6, 0]) * np.float32(shift * face_width(wanted))
    assert error(landmarker.follow(image, before), wanted) < 1.5 + 10 * shift
    assert np.array_equal(landmarker.follow(image, before), MeshLandmarker().follow(image, before))


def test_where_no_face_is_none_is_followed(mesh):
    landmarker, points = mesh
    follow = landmarker.follow
    noise = np.random.default_rng(0).integers(0, 256, PHOTO.shape, dtype=np.uint8)
    assert follow(noise, points) is None
    assert follow(np.full_like(PHOTO, 90), points) is None
    assert follow(PHOTO, points + np.float32([2000, 0, 0])) is None


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

"""Faces through time: who is who from frame to frame, and landmarks that do not tremble.

Each face keeps its number for as long as it is seen, also when people cross: where it was going and what it looks like
decide. Landmarks pass a One-Euro filter, which is slow where a face rests and quick where it moves.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import cv2
import numpy as np

from faceswap.find.detection import ALL, BOTH, FULL_RANGE, SAME_FACE, SHORT_RANGE, crop_upright
from faceswap.find.landmarkers import Follows, Landmarker
from faceswap.media.pipeline import Aside
from faceswap.shape.geometry import middle_of, overlap
from faceswap.shape.regions import LEFT_EYE, RIGHT_EYE, box_of, face_width, to_mesh

MIN_CUTOFF = 0.4  # Hz, of a face at rest
BETA = 26.0  # Hz more for each face width per second: behind a steady motion the face stays 0.6 % of its width
REST = 0.02  # face widths per second: the speed that trembling alone seems to have
SPEED_CUTOFF = 5.0  # Hz, of the speed's own filter
JUMP = 0.25  # face widths in one frame from which a face has jumped and the filter starts anew
LOOK = 12  # frames between two searches of a whole frame by one network while some faces are followed
LOOK_CLOSELY = 6  # frames between searches of one tile, for small faces
# In which of LOOK frames which network searches the whole: never two of them, or one and a tile, in the same frame.
TURNS: dict[int, Sequence[str]] = {3: (FULL_RANGE,), 9: (SHORT_RANGE,)}
FORGET = 2.0  # seconds after which a face that is gone is not taken up again
ALIKE = 14.0  # mean difference of two pictures of a face (CIELAB) below which they show one person
PATCH = 12  # side of that picture, pixels
FRESHEN = 4  # frames after which it is freshened
FRESH = 0.35  # share of the new one in it


class OneEuro:
    """The 1-euro filter (Casiez, Roussel & Vogel 2012) on landmarks; speeds are in face widths per second."""

    def __init__(self) -> None:
        self._points: np.ndarray | None = None
        self._raw: np.ndarray | None = None
        self._speed: np.ndarray | None = None
        self._width = 1.0

    def __call__(self, points: np.ndarray, seconds: float) -> np.ndarray:
        """Returns the filtered points [N, 3]; the first ones, and those after a jump, as they are.

        Args:
            points: [N, 3] landmarks in pixels.
            seconds: since the points before.
        """
        width, before = max(face_width(points), 1.0), self._width
        seconds, self._width = max(seconds, 1e-4), width
        if self._points is None:
            return self._start(points)
        moved = (points[:, :2] - self._raw[:, :2]) / width
        if np.linalg.norm(middle_of(moved)) > JUMP or not 0.8 < width / before < 1.25:
            return self._start(points)  # a cut, or a new position after it was lost
        # Filtered with its direction, the to and fro of trembling is no speed.
        self._speed = self._speed + np.float32(smoothing(SPEED_CUTOFF, seconds)) * (moved / seconds - self._speed)
        common = float(np.linalg.norm(middle_of(self._speed)))
        speed = np.sqrt(np.einsum("ij,ij->i", self._speed, self._speed))
        speed = np.minimum(speed, common + 1.0)  # one landmark that trembles does not open its own filter
        share = smoothing(MIN_CUTOFF + BETA * np.maximum(speed - REST, 0), seconds)[:, None]
        self._points = (self._points + share * (points - self._points)).astype(np.float32)
        self._raw = points
        return self._points

    def _start(self, points: np.ndarray) -> np.ndarray:
        self._points, self._raw, self._speed = points.copy(), points, np.zeros((len(points), 2), np.float32)
        return points


def smoothing(cutoff: np.ndarray | float, seconds: float) -> np.ndarray | float:
    """Returns the share of the new value in an exponential filter of that cut-off frequency in Hz."""
    return 1.0 / (1.0 + 1.0 / (2 * np.pi * np.maximum(cutoff, 1e-6) * seconds))


@dataclass
class Track:
    """One person's face."""

    number: int  # counted from 0 in the order of appearance, larger faces first
    points: np.ndarray  # [468, 3] as last seen, filtered
    raw: np.ndarray  # ... not filtered
    look: np.ndarray  # what the face looks like
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))  # pixels per second
    unseen: float = 0.0  # seconds
    filter: OneEuro = field(default_factory=OneEuro)

    def predicted(self, seconds: float) -> np.ndarray:
        """Returns the landmarks [468, 3] moved on by its speed."""
        step = self.speed * min(seconds, 0.1)
        return self.raw + np.float32([step[0], step[1], 0])

    def expected(self, seconds: float) -> np.ndarray:
        """Returns the middle (x, y) where the face should be by now."""
        return middle_of(self.raw) + self.speed * min(seconds + self.unseen, 0.5)


def face_look(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns float32 [PATCH, PATCH, 3] CIELAB: a small upright picture of the face, to know a person again."""
    eyes = points[[RIGHT_EYE[0], LEFT_EYE[0]], :2]
    crop, _ = crop_upright(image, eyes, face_width(points), PATCH, centre=middle_of(points))
    return cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


class Tracker:
    """Follows all faces of a sequence of frames.

    New faces are searched for in a thread of its own until the next frame is there, whose update always waits for the
    result: what is found depends on the frames alone, never on how fast the machine is. A frame in which no face is
    followed is searched at once.

    Args:
        landmarker: finds faces; one that can follow them is asked to search only now and then.
        steady: filter the landmarks.
    """

    def __init__(self, landmarker: Landmarker, steady: bool = True):
        self.landmarker, self.steady = landmarker, steady
        self._can_follow = isinstance(landmarker, Follows)
        self._search: Aside[list[np.ndarray]] | None = None
        self._tracks: list[Track] = []
        self._lost: list[Track] = []
        self._count = self._frame = self._tile = 0

    def update(self, image: np.ndarray, seconds: float = 1 / 30) -> list[Track]:
        """Returns the faces of the next frame, by number.

        Args:
            image: uint8 [H, W, 3] RGB.
            seconds: since the frame before.
        """
        before, self._tracks = self._tracks, []
        if self._can_follow:
            before = self._followed(image, before, seconds)
            found = self._found(image)
        else:
            found = [to_mesh(points) for points in self.landmarker.find(image)]
        self._lost = before + self._lost
        self._assign(image, found, seconds)
        if self._can_follow and self._tracks:
            self._start_search(image, missed=bool(before))
        for track in self._lost:
            track.unseen += seconds
        self._lost = [track for track in self._lost if track.unseen <= FORGET]
        self._frame += 1
        self._tracks.sort(key=lambda track: track.number)
        return list(self._tracks)

    def remembers(self, number: int) -> bool:
        """Returns whether the face of that number is seen, or not gone for so long that it is a new one."""
        return any(track.number == number for track in (*self._tracks, *self._lost))

    def _followed(self, image: np.ndarray, before: list[Track], seconds: float) -> list[Track]:
        """Takes up the faces that are still where they were; returns those that are not."""
        gone = []
        for track in before:
            points = self.landmarker.follow(image, track.predicted(seconds))
            rival = next((t for t in self._tracks if points is not None and same_place(t.raw, points)), None)
            if points is None or not plausible(track.raw, points):
                gone.append(track)
            elif rival is None:
                self._see(track, image, points, seconds)
            elif unlike(face_look(image, points), track.look) < unlike(face_look(image, points), rival.look):
                self._tracks.remove(rival)  # both have slid onto one face: it is his who looks like it
                gone.append(rival)
                self._see(track, image, points, seconds)
            else:
                gone.append(track)
        self._find_again(image, seconds)
        return gone

    def _find_again(self, image: np.ndarray, seconds: float) -> None:
        """Takes up lost faces that are back where they were: a search may take seconds to come upon a small one."""
        for track in list(self._lost):
            points = self.landmarker.follow(image, track.raw)
            if points is None or not plausible(track.raw, points):
                continue
            box = box_of(points)
            if any(overlap(box_of(other.raw), box) >= SAME_FACE for other in self._tracks):
                continue
            if unlike(face_look(image, points), track.look) <= ALIKE:
                self._lost.remove(track)
                self._see(track, image, points, seconds)

    def _found(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns faces that are not followed yet: those of the search of the frame before, moved on to this one."""
        earlier, self._search = self._search.result() if self._search else [], None
        if not self._tracks:
            self._tile += 1
            return self.landmarker.find_others(image, (), BOTH, self._tile if self._frame else ALL)
        found, boxes = [], [box_of(track.raw) for track in self._tracks]
        for points in earlier:
            now = self.landmarker.follow(image, points)
            if now is None or not plausible(points, now) or any(overlap(box_of(now), b) >= SAME_FACE for b in boxes):
                continue
            boxes.append(box_of(now))
            found.append(now)
        return found

    def _start_search(self, image: np.ndarray, missed: bool) -> None:
        """Begins to look for faces that are not followed, when it is time to, or when one has just been lost."""
        whole, tile = TURNS.get(self._frame % LOOK, ()), None
        if missed:
            whole = BOTH
        elif self._frame % LOOK_CLOSELY == 0:
            self._tile += 1
            tile = self._tile
        if whole or tile is not None:
            known = [track.raw for track in self._tracks]
            self._search = Aside(self.landmarker.find_others, image.copy(), known, whole, tile)

    def _assign(self, image: np.ndarray, found: list[np.ndarray], seconds: float) -> None:
        """Gives each face found to the track it most likely belongs to, or to a new one."""
        looks = [face_look(image, points) for points in found]
        costs = sorted(
            (cost, track.number, number)
            for track in self._lost
            for number, (points, look) in enumerate(zip(found, looks))
            if (cost := self._cost(track, points, look, seconds)) is not None
        )
        free, waiting = set(range(len(found))), {track.number: track for track in self._lost}
        for _, name, number in costs:
            if number in free and name in waiting:
                free.remove(number)
                track = waiting.pop(name)
                self._lost.remove(track)
                self._see(track, image, found[number], seconds)
        for number in sorted(free):
            track = Track(self._count, found[number], found[number], looks[number])
            self._count += 1
            self._see(track, image, found[number], seconds)

    def _cost(self, track: Track, points: np.ndarray, look: np.ndarray, seconds: float) -> float | None:
        """Returns how unlikely it is that a face found is that track's; None when it cannot be."""
        width = face_width(points)
        away = float(np.linalg.norm(middle_of(points) - track.expected(seconds))) / max(width, 1.0)
        strange = unlike(look, track.look) / ALIKE
        near = 0.8 + 4.0 * track.unseen
        if away > near or (strange > 1.0 and away > 0.3):
            return None
        return away / near + strange

    def _see(self, track: Track, image: np.ndarray, points: np.ndarray, seconds: float) -> None:
        """Writes down where a face is now."""
        moved = (middle_of(points) - middle_of(track.raw)) / max(seconds + track.unseen, 1e-4)
        if track.unseen:
            track.filter = OneEuro()
        track.speed = (0.5 * track.speed + 0.5 * moved).astype(np.float32)
        if self._frame % FRESHEN == 0:
            track.look = (1 - FRESH) * track.look + FRESH * face_look(image, points)
        track.raw, track.unseen = points, 0.0
        track.points = track.filter(points, seconds) if self.steady else points
        self._tracks.append(track)


class FaceChoice:
    """A tracker that tells of some of the faces only.

    Args:
        tracker: knows all of them.
        face: "all", a track's number, or "largest": the one that is largest in the first frame with a face. He stays
            the one while he is out of sight; once the tracker has forgotten him, the largest that is seen follows.
    """

    def __init__(self, tracker: Tracker, face: int | str = "all"):
        self.tracker, self.face = tracker, face
        self._number = None if face in ("all", "largest") else int(face)

    def update(self, image: np.ndarray, seconds: float = 1 / 30) -> list[Track]:
        """Returns the chosen faces of the next frame, as `Tracker.update` does."""
        tracks = self.tracker.update(image, seconds)
        if self.face == "all":
            return tracks
        free = self.face == "largest" and (self._number is None or not self.tracker.remembers(self._number))
        if free and tracks:
            self._number = max(tracks, key=lambda track: np.ptp(track.points[:, :2], axis=0).prod()).number
        return [track for track in tracks if track.number == self._number]


def unlike(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the mean difference of two looks in CIELAB."""
    return float(np.abs(a - b).mean())


def same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Returns whether two sets of landmarks lie on one face."""
    return overlap(box_of(a), box_of(b)) > 0.6


def plausible(before: np.ndarray, now: np.ndarray) -> bool:
    """Returns whether one face can have moved so in one frame."""
    width = max(face_width(before), 1e-6)
    away = np.linalg.norm(middle_of(now) - middle_of(before))
    return bool(0.6 < face_width(now) / width < 1.6 and away < 0.8 * width)

"""Faces through time: who is who from frame to frame, and landmarks that do not tremble.

Each face keeps its number for as long as it is seen, also when people cross: where it was going and what it looks like
decide. Landmarks pass a One-Euro filter, which is slow where a face rests and quick where it moves.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import cv2
import numpy as np

from faceswap.detection import crop_upright
from faceswap.geometry import overlap
from faceswap.landmarks import Landmarker
from faceswap.regions import LEFT_EYE, RIGHT_EYE, box_of, face_width, to_mesh

MIN_CUTOFF = 1.2  # Hz, of a face at rest
BETA = 22.0  # Hz more for each face width per second
SPEED_CUTOFF = 6.0  # Hz, of the speed's own filter
JUMP = 0.25  # face widths in one frame from which a face has jumped and the filter starts anew
LOOK = 12  # frames between searches for new faces while some are followed
LOOK_CLOSELY = 4  # frames between searches of one tile, for small faces: a frame must not take much longer than others
FORGET = 2.0  # seconds after which a face that is gone is not taken up again
ALIKE = 14.0  # mean difference of two pictures of a face (CIELAB) below which they show one person
PATCH = 12  # side of that picture, pixels


class OneEuro:
    """The 1-euro filter (Casiez, Roussel & Vogel 2012) on landmarks; speeds are in face widths per second."""

    def __init__(self) -> None:
        self._points: np.ndarray | None = None
        self._raw: np.ndarray | None = None
        self._speed: np.ndarray | None = None

    def __call__(self, points: np.ndarray, seconds: float) -> np.ndarray:
        """Returns the filtered points [N, 3]; the first ones, and those after a jump, as they are.

        Args:
            points: [N, 3] landmarks in pixels.
            seconds: since the points before.
        """
        width = max(face_width(points), 1.0)
        seconds = max(seconds, 1e-4)
        if self._points is None or self._jumped(points, width):
            self._points, self._raw, self._speed = points.copy(), points, np.zeros(len(points), np.float32)
            return points
        moved = np.linalg.norm(points[:, :2] - self._raw[:, :2], axis=1) / (width * seconds)
        common = np.linalg.norm((points[:, :2] - self._raw[:, :2]).mean(0)) / (width * seconds)
        speed = np.minimum(moved, common + 1.0)  # one landmark that trembles does not open its own filter
        self._speed = self._speed + smoothing(SPEED_CUTOFF, seconds) * (speed - self._speed)
        share = smoothing(MIN_CUTOFF + BETA * np.maximum(self._speed - REST, 0), seconds)[:, None]
        self._points = (self._points + share * (points - self._points)).astype(np.float32)
        self._raw = points
        return self._points

    def _jumped(self, points: np.ndarray, width: float) -> bool:
        """Returns whether the face is elsewhere or another: a cut, or a new position after it was lost."""
        before = self._raw[:, :2].mean(0)
        grown = width / max(face_width(self._raw), 1.0)
        return bool(np.linalg.norm(points[:, :2].mean(0) - before) > JUMP * width or not 0.8 < grown < 1.25)


REST = 0.04  # face widths per second: the speed that trembling alone seems to have


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
    follow: Callable | None = None
    speed: np.ndarray = field(default_factory=lambda: np.zeros(2, np.float32))  # pixels per second
    unseen: float = 0.0  # seconds
    filter: OneEuro = field(default_factory=OneEuro)

    def expected(self, seconds: float) -> np.ndarray:
        """Returns the middle (x, y) where the face should be by now."""
        return self.raw[:, :2].mean(0) + self.speed * min(seconds + self.unseen, 0.5)


def face_look(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns float32 [PATCH, PATCH, 3] CIELAB: a small upright picture of the face, to know a person again."""
    eyes = np.stack([points[list(RIGHT_EYE), :2].mean(0), points[list(LEFT_EYE), :2].mean(0)])
    crop, _ = crop_upright(image, eyes, face_width(points), PATCH, centre=points[:, :2].mean(0))
    return cv2.cvtColor(crop.astype(np.float32) / 255, cv2.COLOR_RGB2LAB)


class Tracker:
    """Follows all faces of a sequence of frames.

    Args:
        landmarker: finds faces; one that can follow them is asked to search only now and then.
        steady: filter the landmarks.
    """

    def __init__(self, landmarker: Landmarker, steady: bool = True):
        self.landmarker, self.steady = landmarker, steady
        self._tracks: list[Track] = []
        self._lost: list[Track] = []
        self._count = self._frame = self._tile = 0

    def update(self, image: np.ndarray, seconds: float = 1 / 30) -> list[Track]:
        """Returns the faces of the next frame, by number.

        Args:
            image: uint8 [H, W, 3] RGB.
            seconds: since the frame before.
        """
        can_follow = hasattr(self.landmarker, "follower")
        before, self._tracks = self._tracks, []
        if can_follow:
            before = self._followed(image, before, seconds)
            found = self._searched(image)
        else:
            found = [to_mesh(points) for points in self.landmarker.find(image)]
        self._lost = before + self._lost
        self._assign(image, found, seconds)
        for track in self._lost:
            track.unseen += seconds
        self._lost = [track for track in self._lost if track.unseen <= FORGET]
        self._frame += 1
        self._tracks.sort(key=lambda track: track.number)
        return list(self._tracks)

    def _followed(self, image: np.ndarray, before: list[Track], seconds: float) -> list[Track]:
        """Takes up the faces that are still where they were; returns those that are not."""
        gone = []
        for track in before:
            points = track.follow(image, track.raw) if track.follow else None
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
        return gone

    def _searched(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns faces that are not followed yet, when it is time to look for them."""
        alone, known = not self._tracks, [track.raw for track in self._tracks]
        if self._frame == 0:
            return self.landmarker.find_others(image, known)
        whole, closely = alone or self._frame % LOOK == 0, alone or self._frame % LOOK_CLOSELY == 0
        self._tile += closely
        return self.landmarker.find_others(image, known, whole, self._tile if closely else None)

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
            follow = self.landmarker.follower() if hasattr(self.landmarker, "follower") else None
            track = Track(self._count, found[number], found[number], looks[number], follow)
            self._count += 1
            self._see(track, image, found[number], seconds)

    def _cost(self, track: Track, points: np.ndarray, look: np.ndarray, seconds: float) -> float | None:
        """Returns how unlikely it is that a face found is that track's; None when it cannot be."""
        width = face_width(points)
        away = float(np.linalg.norm(points[:, :2].mean(0) - track.expected(seconds))) / max(width, 1.0)
        strange = unlike(look, track.look) / ALIKE
        near = 0.8 + 4.0 * track.unseen
        if away > near or (strange > 1.0 and away > 0.3):
            return None
        return away / near + strange

    def _see(self, track: Track, image: np.ndarray, points: np.ndarray, seconds: float) -> None:
        """Writes down where a face is now."""
        moved = (points[:, :2].mean(0) - track.raw[:, :2].mean(0)) / max(seconds + track.unseen, 1e-4)
        if track.unseen:
            track.filter = OneEuro()
        track.speed = (0.5 * track.speed + 0.5 * moved).astype(np.float32)
        track.look = 0.9 * track.look + 0.1 * face_look(image, points)
        track.raw, track.unseen = points, 0.0
        track.points = track.filter(points, seconds) if self.steady else points
        self._tracks.append(track)


def unlike(a: np.ndarray, b: np.ndarray) -> float:
    """Returns the mean difference of two looks in CIELAB."""
    return float(np.abs(a - b).mean())


def same_place(a: np.ndarray, b: np.ndarray) -> bool:
    """Returns whether two sets of landmarks lie on one face."""
    return overlap(box_of(a), box_of(b)) > 0.6


def plausible(before: np.ndarray, now: np.ndarray) -> bool:
    """Returns whether one face can have moved so in one frame."""
    grown = face_width(now) / max(face_width(before), 1e-6)
    away = np.linalg.norm(now[:, :2].mean(0) - before[:, :2].mean(0))
    return bool(0.6 < grown < 1.6 and away < 0.8 * face_width(before))

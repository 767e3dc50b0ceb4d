"""Landmarks of all faces in a picture.

A `Landmarker` is anything with `find(image) -> list of [N, 2 or 3] points`. The default is MediaPipe's Face Mesh,
whose model lies inside its wheel; it and its graphs are loaded at the first call, not at import.
"""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from typing import Protocol, runtime_checkable

import cv2
import numpy as np

from faceswap.find.detection import ALL, BOTH, Detector, crop_upright
from faceswap.find.graphs import MESH_SIDE, MeshNetwork, in_calling_thread
from faceswap.shape.geometry import overlap, scale_points, transform_points
from faceswap.shape.regions import LEFT_EYE, RIGHT_EYE, box_of, face_width, mirror_points

CROP = 320  # side of the square in which a detected face is looked for, pixels
CROP_MARGIN = 2.0  # side of that square / longer side of the detector's box
MESH_MARGIN = 1.35  # side of the square the mesh is made for / longer side of the upright box around its points
STRAY = 0.05  # face widths off the middle of that square from which a followed face is looked at again
LOOKS = 4  # times at most
SMALL = 384  # pictures with a shorter longer side are enlarged to it before they are searched
SAME_FACE = 0.5  # overlap from which two results are one face


class Landmarker(Protocol):
    """Finds faces. It may have a `name`, by which it is told in metadata."""

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns the landmarks of each face, largest face first.

        Args:
            image: uint8 [H, W, 3] RGB.

        Returns:
            A list of float32 [468, 3] or [68, 2] points (x, y[, z]) in pixels of `image`; empty when there is no
            face.
        """
        ...


@runtime_checkable
class Follows(Protocol):
    """What a landmarker has besides when it can follow faces from frame to frame; `MeshLandmarker` says how."""

    def apart(self) -> Landmarker: ...

    def follower(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray | None]: ...

    def find_others(
        self, image: np.ndarray, known: Sequence[np.ndarray], whole: Sequence[int], tile: int | None
    ) -> list[np.ndarray]: ...


class MeshLandmarker:
    """MediaPipe Face Mesh (Kartynnik et al. 2019, arXiv 1907.06724) behind a cascade of detectors.

    Each face is cut out upright at the size the network was made for and looked at twice, as it is and mirrored; the
    mean of both is steadier than one alone and treats left and right alike.
    """

    name = "mesh"

    def __init__(self):
        self._detector = Detector()
        self._mesh = self._network = None

    def apart(self) -> MeshLandmarker:
        """Returns a landmarker with networks of its own, for another thread: they are not to be shared by two."""
        return type(self)()

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns [468, 3] float32 mesh points per face, largest face first; small pictures are looked at enlarged."""
        height, width = image.shape[:2]
        if max(height, width) < SMALL:
            factor = SMALL / max(height, width)
            size = (max(round(width * factor), 1), max(round(height * factor), 1))
            large = cv2.resize(image, size, interpolation=cv2.INTER_CUBIC)
            back = (width / size[0], height / size[1])
            return [scale_points(points, back) for points in self.find_others(large, ())]
        return self.find_others(image, ())

    def find_others(
        self, image: np.ndarray, known: Sequence[np.ndarray], whole: Sequence[int] = BOTH, tile: int | None = ALL
    ) -> list[np.ndarray]:
        """Returns the faces that are not among the `known`, largest first.

        Args:
            image: uint8 [H, W, 3] RGB.
            known: landmarks of faces that need not be looked at again.
            whole, tile: where to search, as for `Detector.detect`.
        """
        boxes, found = [box_of(points) for points in known], []
        for detection in self._detector.detect(image, whole, tile):
            if any(overlap(detection.box, box) >= SAME_FACE for box in boxes):
                continue
            points = self.fit(image, detection.eyes, detection.size)
            if points is None:
                continue
            box = box_of(points)
            if all(overlap(box, other) < SAME_FACE for other in boxes):
                boxes.append(box)
                found.append(points)
        return sorted(found, key=lambda p: -np.prod(box_of(p)[2:] - box_of(p)[:2]))

    def follower(self) -> Callable[[np.ndarray, np.ndarray], np.ndarray | None]:
        """Returns a function (image, landmarks where the face is about) -> its landmarks, or None when it is not there.

        It has a network of its own and remembers nothing. A face that has moved is looked at again where it was seen:
        the mesh errs when it is off the middle of its square.
        """
        network = MeshNetwork()

        def follow(image: np.ndarray, points: np.ndarray) -> np.ndarray | None:
            for _ in range(LOOKS):
                crop, to_image = _crop_around(image, points)
                seen = network(crop)
                if seen is None:
                    return None
                before, points = points, _move(seen, to_image)
                if np.linalg.norm(middle_of(points - before)) < STRAY * face_width(points):
                    break
            return points

        return follow

    def fit(self, image: np.ndarray, eyes: np.ndarray, size: float) -> np.ndarray | None:
        """Returns the mesh [468, 3] of the one face near `eyes` ([2, 2], the person's right eye first), or None.

        Args:
            size: longer side of the face's box in pixels.
        """
        if self._mesh is None:
            self._mesh, self._network = _face_mesh(), MeshNetwork()
        crop, to_image = crop_upright(image, eyes, size * CROP_MARGIN, CROP)
        first = _mesh_points(self._mesh, crop)
        if first is None:
            return None
        first = _move(first, to_image)
        for _ in range(2):
            crop, to_image = _crop_around(image, first)
            straight, mirrored = self._network(crop), self._network(np.ascontiguousarray(crop[:, ::-1]))
            if straight is None or mirrored is None:
                break
            first = _move(0.5 * (straight + mirror_points(mirrored, MESH_SIDE)), to_image)
        return first


def _face_mesh():
    """Returns MediaPipe's Face Mesh with its own detector before it, for one face in pictures without order."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    return in_calling_thread(FaceMesh)(static_image_mode=True, max_num_faces=1, refine_landmarks=False)


def _crop_around(image: np.ndarray, points: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the upright square around known landmarks that the mesh was made for, and crop_to_image [2, 3]."""
    eyes = points[[RIGHT_EYE[0], LEFT_EYE[0]], :2]
    across = eyes[1] - eyes[0]
    across = across / max(float(np.linalg.norm(across)), 1e-6)
    turn = np.stack([across, (-across[1], across[0])])  # image_to_upright
    upright = points[:, :2] @ turn.T
    low, high = upright.min(0), upright.max(0)
    return crop_upright(image, eyes, MESH_MARGIN * float((high - low).max()), MESH_SIDE, centre=(low + high) / 2 @ turn)


def _mesh_points(network, crop: np.ndarray) -> np.ndarray | None:
    """Returns the mesh [468, 3] in pixels of a square crop, or None when Face Mesh sees no face in it."""
    result = network.process(crop).multi_face_landmarks
    if not result:
        return None
    unit = np.array([(p.x, p.y, p.z) for p in result[0].landmark], np.float32)
    height, width = crop.shape[:2]
    return unit * np.float32([width, height, width]) - np.float32([0.5, 0.5, 0.0])


def middle_of(points: np.ndarray) -> np.ndarray:
    """Returns the mean (x, y) of float32 points [N, 2 or 3]; numpy takes ten times as long for it."""
    return (np.full(len(points), 1 / len(points), np.float32) @ points)[:2]


def _move(points: np.ndarray, matrix: np.ndarray) -> np.ndarray:
    """Returns [N, 3] points moved by a similarity [2, 3]; depth is scaled along."""
    scale = np.sqrt(abs(np.linalg.det(matrix[:, :2])))
    return np.concatenate([transform_points(points, matrix), points[:, 2:] * scale], 1).astype(np.float32)


class FanLandmarker:
    """The 68 points of face-alignment's 2DFAN-4 (Bulat & Tzimiropoulos 2017, arXiv 1703.07332), found by our detectors.

    Args:
        notice: is told a line before anything is fetched from the network.
    """

    name = "fan"

    def __init__(self, notice: Callable[[str], None] | None = None):
        self._detector = Detector()
        self._notice = notice
        self._network = None

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns [68, 2] float32 points per face, largest face first.

        Raises:
            OSError: the weights are not on this machine and cannot be fetched.
        """
        boxes = []
        for found in sorted(self._detector.detect(image), key=lambda d: -d.size):
            x0, y0, x1, y1 = found.box
            boxes.append([x0, y0 - 0.15 * (y1 - y0), x1, y1])  # its own detector's boxes reach further up
        if not boxes:
            return []
        if self._network is None:
            self._network = self._load()
        points = self._network.get_landmarks_from_image(np.ascontiguousarray(image), detected_faces=boxes)
        return [np.asarray(p, np.float32)[:, :2] for p in points or ()]

    def _load(self):
        import face_alignment
        from face_alignment.api import models_urls
        from torch.hub import get_dir

        file = os.path.join(get_dir(), "checkpoints", os.path.basename(models_urls["2DFAN-4"]))
        if self._notice and not os.path.exists(file):
            self._notice(f"fetching the weights of face-alignment, once, to {file}")
        try:
            return face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device="cpu", face_detector="folder", compile=False
            )
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise OSError(
                f"{file}: the weights of face-alignment could not be fetched ({reason}); "
                "connect to the network once, or use the landmarks named mesh"
            ) from None


_silence, _silence_users = contextlib.ExitStack(), 0


@contextlib.contextmanager
def silent_libraries() -> Iterator[None]:
    """Keeps native libraries' chatter off the screen: file descriptor 2 goes nowhere, `sys.stderr` stays as it was.

    MediaPipe's logging writes to the descriptor itself, from its own threads and before any setting can reach it.
    Several may be entered before one is left, and left in any order: jobs of the panels overlap.
    """
    global _silence_users
    if not _silence_users:
        _silence.enter_context(_redirect_stderr())
    _silence_users += 1
    try:
        yield
    finally:
        _silence_users -= 1
        if not _silence_users:
            _silence.close()


@contextlib.contextmanager
def _redirect_stderr() -> Iterator[None]:
    os.environ.setdefault("GLOG_minloglevel", "2")
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")
    try:
        kept = os.dup(2)
    except OSError:  # started without a standard error
        yield
        return
    stderr = sys.stderr
    if stderr is not None:  # as it is when Python found none at its start
        stderr.flush()
        sys.stderr = os.fdopen(kept, "w", buffering=1, encoding="utf-8", errors="replace", closefd=False)
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 2)
    os.close(nowhere)
    try:
        yield
    finally:
        if sys.stderr is not None:
            sys.stderr.flush()
        os.dup2(kept, 2)
        os.close(kept)
        sys.stderr = stderr

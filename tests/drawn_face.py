"""A drawn face with known landmarks, for tests that need no network; a photo of it, and small files."""

from pathlib import Path

import cv2
import numpy as np
from PIL import Image

from faceswap.shape.regions import LEFT_BROW, LEFT_EYE, LIPS, MOUTH, OVAL, RIGHT_BROW, RIGHT_EYE, mesh

SKIN = (205, 160, 135)


def place_mesh(centre=(128.0, 128.0), eyes_apart=48.0, roll=0.0, yaw=0.0) -> np.ndarray:
    """Returns the mean face as [468, 3] landmarks: turned by `yaw`, tilted by `roll` (radians), scaled and moved."""
    solid = mesh().points - [0, 300, 0]
    cos, sin = np.cos(yaw), np.sin(yaw)
    solid = solid @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T
    cos, sin = np.cos(roll), np.sin(roll)
    solid = solid @ np.array([[cos, -sin, 0], [sin, cos, 0], [0, 0, 1]]).T
    return (solid * (eyes_apart / 1000) + [*centre, 0]).astype(np.float32)


def fill(image, points, ring, colour):
    cv2.fillPoly(image, [np.round(points[list(ring), :2] * 16).astype(np.int32)], colour, cv2.LINE_AA, 4)


def draw_face(points, size=(256, 256), skin=SKIN, background=(90, 110, 140), lips=(170, 80, 80), grain=0.0, seed=0):
    """Returns uint8 [h, w, 3]: a plain face whose features lie exactly on the landmarks."""
    image = np.full((*size, 3), background, np.uint8)
    centre = points[list(OVAL), :2].mean(0)
    neck = centre + (points[list(OVAL), :2] - centre) * [0.7, 0.7] + (points[152, :2] - points[10, :2]) * 0.5
    cv2.fillPoly(image, [np.round(neck * 16).astype(np.int32)], skin, cv2.LINE_AA, 4)
    wide = points.copy()
    wide[:, :2] = centre + 1.06 * (wide[:, :2] - centre)
    fill(image, wide, OVAL, skin)
    for ring in (RIGHT_BROW, LEFT_BROW):
        fill(image, points, ring, (60, 45, 35))
    for ring in (RIGHT_EYE, LEFT_EYE):
        fill(image, points, ring, (235, 235, 235))
        middle = points[list(ring), :2].mean(0)
        radius = 0.22 * np.linalg.norm(points[ring[0], :2] - points[ring[8], :2])
        cv2.circle(
            image, tuple(np.round(middle * 16).astype(int)), round(radius * 16), (50, 40, 30), -1, cv2.LINE_AA, 4
        )
    fill(image, points, LIPS, lips)
    fill(image, points, MOUTH, (90, 30, 30))
    shade = 1.06 - 0.12 * np.linspace(0, 1, size[1])[None, :, None]
    noise = np.random.default_rng(seed).normal(0, grain, (*size, 1)) if grain else 0
    return np.clip(image * shade + noise + 0.5, 0, 255).astype(np.uint8)


class FakeLandmarker:
    """Knows the faces beforehand."""

    def __init__(self, *faces):
        self.faces = list(faces)

    def find(self, image):
        return [face.copy() for face in self.faces]


POINTS = place_mesh((150, 120), 50, roll=0.4)
PHOTO = draw_face(POINTS, (260, 300))


def small_file(path: Path) -> Path:
    """Writes the corner of the photo, 8 x 8 pixels, whose folder is made; returns the path."""
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(PHOTO[:8, :8]).save(path)
    return path

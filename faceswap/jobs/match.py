"""Which of many faces fits a photo: head pose, light and skin tone, measured from landmarks and pixels."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from faceswap.shape.frame import Frame
from faceswap.shape.regions import face_width, mesh, to_mesh
from faceswap.tone.skin import fit_light, skin_patches, to_lab

FEWEST_PIXELS = 12  # of skin, on the reduced grid
# What counts as one unit of misfit. A pose that differs shows most, as the warp cannot turn a head; tone is corrected.
POSE_UNIT = 8.0  # degrees
LIGHT_UNIT = 12.0  # change of L across a face's width
TONE_UNIT = 15.0  # CIE76


@dataclass(frozen=True)
class Look:
    """How a head is held and lit.

    yaw, pitch: degrees, as the mean face must be turned (positive yaw: towards the picture's right; positive pitch:
    upwards in the mesh's own axes). tone [3]: CIELAB of the skin. light [2]: change of L over one face width, to the
    right and downwards as seen upright.
    """

    yaw: float
    pitch: float
    tone: np.ndarray
    light: np.ndarray


def measure_look(image: np.ndarray, points: np.ndarray) -> Look | None:
    """The look of a face; None when hardly any of its skin is in the picture.

    Args:
        image: uint8 [H, W, 3] RGB.
        points: landmarks of either convention in pixels of `image`.
    """
    points = to_mesh(points)
    yaw, pitch, roll = head_angles(points)
    frame = Frame.around(points, image.shape[:2])
    if min(frame.size) < 2:
        return None
    lab, grid = to_lab(frame.reduce(frame.cut(image))), frame.to_grid(points)
    y, x = np.nonzero(skin_patches(grid, lab.shape[:2]))
    if len(x) < FEWEST_PIXELS:
        return None
    skin = lab[y, x]
    across = (np.stack([x, y], 1) - grid[:, :2].mean(0)) / face_width(grid)
    cos, sin = np.cos(np.radians(roll)), np.sin(np.radians(roll))
    upright = across @ np.array([[cos, -sin], [sin, cos]])
    light = fit_light(skin[:, 0], upright[:, 1], upright[:, 0])
    return Look(yaw, pitch, np.array([light[2], *np.median(skin[:, 1:], 0)]), light[:2])


def head_angles(points: np.ndarray) -> tuple[float, float, float]:
    """(yaw, pitch, roll) in degrees by which the mean face is turned to lie on [468, 3] mesh points (Kabsch 1976)."""
    solid, seen = mesh().points, np.asarray(points, np.float64)
    u, _, vt = np.linalg.svd((seen - seen.mean(0)).T @ (solid - solid.mean(0)))
    turn = u @ np.diag([1, 1, np.sign(np.linalg.det(u @ vt))]) @ vt
    yaw = np.arcsin(np.clip(-turn[2, 0], -1, 1))
    pitch, roll = np.arctan2(turn[2, 1], turn[2, 2]), np.arctan2(turn[1, 0], turn[0, 0])
    return tuple(float(np.degrees(angle)) for angle in (yaw, pitch, roll))


def misfit(a: Look, b: Look) -> float:
    """How badly two looks fit: 0 for the same, about 1 for a difference that is noticed at once."""
    pose = np.hypot(a.yaw - b.yaw, a.pitch - b.pitch) / POSE_UNIT
    light = np.linalg.norm(a.light - b.light) / LIGHT_UNIT
    tone = np.linalg.norm(a.tone - b.tone) / TONE_UNIT
    return float(np.sqrt(pose**2 + light**2 + tone**2))

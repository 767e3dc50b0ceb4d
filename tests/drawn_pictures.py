"""A photo of a drawn face with known landmarks, and small files."""

from pathlib import Path

from drawn_face import draw_face, place_mesh
from PIL import Image

POINTS = place_mesh((150, 120), 50, roll=0.4)
PHOTO = draw_face(POINTS, (260, 300))


def small(path: Path) -> Path:
    path.parent.mkdir(exist_ok=True)
    Image.fromarray(PHOTO[:8, :8]).save(path)
    return path

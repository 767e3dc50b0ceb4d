"""A drawn face, a drawn photo of two faces, who knows where they are, and uploads of them."""

import datetime
import io

import numpy as np
from drawn_face import draw_face, place_mesh
from PIL import Image

FACE_POINTS = place_mesh((70, 66), 30)
FACE = draw_face(FACE_POINTS, (140, 140), skin=(150, 105, 80), lips=(120, 40, 60))
POINTS = (place_mesh((150, 120), 66), place_mesh((330, 110), 40))
PHOTO = np.hstack([draw_face(POINTS[0], (260, 240)), draw_face(POINTS[1] - [240, 0, 0], (260, 200))])


class File(dict):
    """An uploaded file as the widget gives it."""

    __getattr__ = dict.__getitem__


class BySize:
    """Knows the faces of both pictures."""

    def find(self, image):
        return [FACE_POINTS] if image.shape[:2] == FACE.shape[:2] else list(POINTS) if len(image) == 260 else []


def png(picture) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return data.getvalue()


def upload(widget, name, data):
    now = datetime.datetime.now()
    file = {"name": name, "type": "", "size": len(data), "content": memoryview(data), "last_modified": now}
    widget.value = [File(file)]

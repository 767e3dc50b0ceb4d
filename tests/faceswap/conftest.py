"""Photos, faces and videos that the tests of several folders work on."""

import cv2
import numpy as np
import pytest
from drawn_film import PTS, SIZE, face_at, make_video
from PIL import Image
from skimage import data


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


@pytest.fixture
def photos(tmp_path):
    folder = tmp_path / "photos"
    (folder / "deep").mkdir(parents=True)
    Image.fromarray(data.astronaut()).save(folder / "a.png")
    Image.fromarray(np.ascontiguousarray(data.astronaut()[:, ::-1])).save(folder / "deep" / "a.jpg")
    Image.fromarray(np.full((90, 90, 3), 80, np.uint8)).save(folder / "empty.bmp")
    (folder / "bad.jpg").write_text("no picture")
    (folder / "notes.txt").write_text("no photo")
    return folder


@pytest.fixture
def face(tmp_path):
    part = data.astronaut()[20:210, 130:320]
    Image.fromarray(cv2.resize(part, (96, 96), interpolation=cv2.INTER_AREA)).save(tmp_path / "face.png")
    return tmp_path / "face.png"

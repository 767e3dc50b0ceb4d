"""The commands within this process, and files for them."""

from types import SimpleNamespace

import cv2
import numpy as np
import pytest
from PIL import Image
from skimage import data

import faceswap.__main__
from faceswap.cli import photo
from provenance import GENERATED, Mark, write_image


@pytest.fixture
def call(capfd, monkeypatch):
    """A function that runs a command's `main` in this process, without a display, and returns what a process would."""
    for name in ("DISPLAY", "WAYLAND_DISPLAY"):
        monkeypatch.delenv(name, raising=False)

    def go(*arguments, main=photo.main, cwd=None):
        if cwd:
            monkeypatch.chdir(cwd)
        try:
            code = main([str(argument) for argument in arguments])
        except SystemExit as left:
            code = left.code
        out, err = capfd.readouterr()
        return SimpleNamespace(returncode=code, stdout=out, stderr=err)

    return go


@pytest.fixture
def call_module(call):
    """A function that runs `python -m faceswap` in this process and returns what a process would."""
    return lambda *arguments: call(*arguments, main=faceswap.__main__.main)


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """Photo, face and files that are neither."""
    path = tmp_path_factory.mktemp("pictures")
    photo = data.astronaut()
    Image.fromarray(photo).save(path / "body.png")
    face = cv2.resize(photo[20:210, 130:320, ::-1], (128, 128), interpolation=cv2.INTER_AREA)
    face = np.clip(face * [0.8, 0.7, 0.6], 0, 255).astype(np.uint8)
    write_image(path / "face.png", face, Mark(GENERATED, {"checkpoint_sha256": "abc", "seed": 7}))
    Image.fromarray(np.full((200, 200, 3), 90, np.uint8)).save(path / "empty.png")
    (path / "text.jpg").write_text("this is no picture")
    (path / "cut.png").write_bytes((path / "body.png").read_bytes()[:5000])
    return path

"""A whole folder."""

import asyncio
import html
import shlex
from pathlib import Path

import numpy as np
from PIL import Image
from two_faces import FACE, PHOTO, BySize

from faceswap.find.mesh import MeshLandmarker
from faceswap.jobs.batch import Row
from faceswap.media.images import read_image
from faceswap.panel import FolderPanel, SwapPanel
from faceswap.panel import folder as folder_module


def test_folder_without_a_folder_or_face_is_told(panel, tmp_path):
    assert "no folder is chosen" in repr(asyncio.run(FolderPanel(panel).run()))
    job = FolderPanel(SwapPanel(landmarker=BySize()), tmp_path)
    assert "choose a face first" in repr(asyncio.run(job.run()))
    assert "choose a face first" in job.message.value and not job.start.disabled


def test_folder_is_done_shown_and_stopped(panel, tmp_path, monkeypatch):
    handed = []

    def rows(job, dst, out, workers, inputs):
        assert inputs == (panel.face_file(),)
        handed.append((job, dst, out, workers))
        panel.face_file().write_bytes(b"another face")
        assert Path(job.src).name == panel.face_file().name and np.array_equal(read_image(job.src), FACE)
        for number in range(5):
            yield Row(f"{number}.png", f"{number}.png", "swapped", 1, 1, 0.1, "")

    monkeypatch.setattr(folder_module, "run_batch", rows)
    (tmp_path / "many").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "many" / "body.png")  # a result
    panel.landmarker = MeshLandmarker()
    folder = FolderPanel(panel, tmp_path, tmp_path / "many", workers=2)
    assert repr(asyncio.run(folder.run())) == "5 swapped"
    assert folder.bar.max == 1 and handed[0][0].landmarks == "mesh"
    job, *rest = handed[0]
    assert rest == [tmp_path, tmp_path / "many", 2]
    assert job.options == panel.options() and not Path(job.src).exists()
    show = folder.show
    folder.show = lambda row: (show(row), folder.stop())
    assert repr(asyncio.run(folder.run())) == "1 swapped"


def test_the_plain_command_of_a_folder_means_the_same(panel, tmp_path):
    folder = FolderPanel(panel, tmp_path / "many photos", tmp_path / "out", workers=2)
    panel.controls.by_name["strength"].value = 0.5
    command = shlex.split(folder.command())
    assert command[:4] == ["python", "-m", "faceswap", "batch"]
    assert html.escape(folder.command()) in folder.command_text.value
    given = dict(zip(command[4::2], command[5::2]))
    assert given["--src"] == str(panel.face_file()) and given["--dst"] == str(tmp_path / "many photos")
    assert given["--workers"] == "2" and command[command.index("--strength") + 1] == "0.5"

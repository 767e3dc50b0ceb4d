"""A video."""

import asyncio
import shlex
import threading

import numpy as np
import pytest
from two_faces import FACE, PHOTO, BySize

from faceswap.cli.common import options_from
from faceswap.cli.film import build_parser as video_parser
from faceswap.find.mesh import MeshLandmarker
from faceswap.panel import VideoPanel
from faceswap.panel.video import read_frame


@pytest.fixture
def clip(tmp_path):
    """24 frames of the photo, which the landmarker knows by its height."""
    import av

    with av.open(str(tmp_path / "clip.mp4"), "w") as container:
        stream = container.add_stream("libx264", rate=24, width=440, height=260)
        for i in range(24):
            frame = PHOTO // 2 + 5 * i
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame.astype(np.uint8), format="rgb24")))
        container.mux(stream.encode())
    return tmp_path / "clip.mp4"


def test_frame_of_a_share_of_the_video(clip):
    means = [read_frame(clip, share).mean() for share in (0.0, 0.5, 1.0)]
    assert means[0] + 40 < means[1] < means[2] - 40
    with pytest.raises(FileNotFoundError, match="none.mp4"):
        read_frame(clip.with_name("none.mp4"), 0)


def test_video_is_previewed_swapped_played_and_stopped(panel, clip, tmp_path):
    video = VideoPanel(panel, clip, tmp_path / "out" / "v.mp4")
    frame = read_frame(clip, 0)
    assert not np.array_equal(video.frame, frame) and video.message.value == ""
    assert "24 of 24 frames, 24 with a new face" in repr(asyncio.run(video.run()))
    assert bytes(video.player.value) == (tmp_path / "out" / "v.mp4").read_bytes()
    assert not np.array_equal(read_frame(tmp_path / "out" / "v.mp4", 0.5), read_frame(clip, 0.5))
    show = video.show
    video.show = lambda progress: (show(progress), progress.frames == 5 and video.stop())
    assert "5 of 24 frames" in repr(asyncio.run(video.run()))
    assert "stopped early" in video.message.value


def test_face_and_options_of_a_video_are_those_of_its_beginning(panel, clip, tmp_path):
    video = VideoPanel(panel, clip, tmp_path / "v.mp4")
    asyncio.run(video.run())
    untouched = read_frame(tmp_path / "v.mp4", 0.5)
    show = video.show

    def disturb(progress):
        show(progress)
        if progress.frames == 2:
            panel.controls.by_name["strength"].value = 0.0
            panel.set_face(FACE[:, ::-1].copy(), {"seed": 8})
            video.out.value = str(tmp_path / "w.mp4")

    video.show = disturb
    assert "24 with a new face" in repr(asyncio.run(video.run()))
    assert np.array_equal(read_frame(tmp_path / "v.mp4", 0.5), untouched)
    assert "v.mp4" in video.message.value and not (tmp_path / "w.mp4").exists()


def test_a_video_is_searched_in_threads_of_its_own(panel, clip, tmp_path):
    class Mesh(BySize, MeshLandmarker):
        def find_others(self, image, known, whole=(), tile=None):
            threads.add(threading.current_thread())
            return self.find(image) if not known else []

        def follow(self, image, points):
            return points

    threads = set()
    panel.landmarker = Mesh()
    assert "24 with a new face" in repr(asyncio.run(VideoPanel(panel, clip, tmp_path / "v.mp4").run()))
    assert threads and threading.current_thread() not in threads


def test_the_plain_command_of_a_video_means_the_same(panel, clip, tmp_path):
    panel.controls.by_name["feather"].value = 0.2
    video = VideoPanel(panel, clip, tmp_path / "v.mp4")
    command = shlex.split(video.command())
    assert command[:2] == ["python", "faceswap/main_video.py"]
    arguments = video_parser().parse_args(command[2:])
    assert options_from(arguments) == panel.options()
    files = (arguments.src_img, arguments.video_path, arguments.save_path)
    assert files == (str(panel.face_file()), str(clip), str(tmp_path / "v.mp4"))


def test_what_is_wrong_with_a_video_is_told(panel, tmp_path):
    assert "no video is chosen" in repr(asyncio.run(VideoPanel(panel).run()))
    assert "body.png" in repr(asyncio.run(VideoPanel(panel, tmp_path / "no.mp4", tmp_path / "body.png").run()))
    assert "no.mp4: no such file" in VideoPanel(panel, tmp_path / "no.mp4").message.value
    empty = VideoPanel(panel)
    empty.position.value = 0.5
    assert "no video is chosen" in empty.message.value and empty.image.layout.display == "none"

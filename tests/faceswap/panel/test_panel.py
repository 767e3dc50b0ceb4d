"""The swap panel without a kernel (callbacks then run at once), with landmarks known beforehand."""

import asyncio
import base64
import dataclasses
import datetime
import gc
import html
import io
import os
import shlex
import threading
import weakref
from pathlib import Path

import numpy as np
import pytest
from drawn_face import FakeLandmarker, draw_face, place_mesh
from PIL import Image

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

import ipywidgets as widgets

from faceswap.cli.film import build_parser as video_parser
from faceswap.cli.photo import build_parser, options_from
from faceswap.find.landmarks import MeshLandmarker
from faceswap.jobs.batch import Row
from faceswap.media.images import read_image
from faceswap.panel import SwapPanel, example_photo, option_control
from faceswap.panel import folder as panel_job
from faceswap.panel import match as panel_match
from faceswap.panel.command import plain_command
from faceswap.panel.folder import FolderPanel
from faceswap.panel.match import FitPanel
from faceswap.panel.page import LARGEST_UPLOAD, SwapPage
from faceswap.panel.preview import PREVIEW_PIXELS, make_view, number_faces, wipe
from faceswap.panel.video import VideoPanel, read_frame
from faceswap.shape.regions import box_of
from faceswap.swap import Options, Swapper
from panels import Message
from provenance import COMPOSITE, GENERATED, leftovers, read_mark

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


@pytest.fixture
def panel(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "body.png")
    panel = SwapPanel(tmp_path / "body.png", tmp_path / "out" / "o.png", BySize())
    panel.set_face(FACE, {"seed": 7})
    assert panel.message.value == ""
    return panel


def test_every_option_has_a_control_with_its_help_and_range(panel):
    assert list(panel.controls) == [f.name for f in dataclasses.fields(Options)]
    for f in dataclasses.fields(Options):
        control = option_control(f)
        assert control.tooltip == f.metadata["help"] and control.value == f.default
        if isinstance(f.default, float):
            assert (control.min, control.max) == f.metadata["allowed"]
    assert panel.options() == Options()


def test_preview_is_the_swap_of_the_chosen_faces_and_follows_an_option(panel):
    swapper = Swapper(FACE, Options(), points=FACE_POINTS)
    assert np.array_equal(panel.after, swapper.swap(PHOTO, POINTS))
    panel.numbers.children[1].value = False
    assert np.array_equal(panel.after, swapper.swap(PHOTO, POINTS[:1]))
    panel.controls["strength"].value = 0.0
    assert np.array_equal(panel.after, PHOTO)
    assert "1 of 2 faces" in panel.caption.value


def test_saved_picture_is_full_size_and_marked_and_so_is_its_face(panel, tmp_path):
    panel.sheet.value = True
    out, face, sheet = panel.save()
    assert np.array_equal(read_image(out), Swapper(FACE, Options(), points=FACE_POINTS).swap(PHOTO, POINTS))
    mark = read_mark(out)
    assert mark.source_type == COMPOSITE and mark.settings["source"] == {"seed": 7} and mark.settings["faces"] == 2
    assert read_mark(face).source_type == GENERATED and np.array_equal(read_image(face), FACE)
    assert read_mark(sheet).source_type == COMPOSITE
    assert {path.name for path in tmp_path.rglob("*.*")} >= {"o.png", "o-face.png", "o-before_after.jpg"}


@pytest.mark.parametrize(
    "options",
    [
        Options(),
        Options(correct_color=False, warp_2d=True),
        Options(blend="poisson", mask="oval", feather=0.2, strength=0.55, keep_mouth="never", match_grain=0.25),
    ],
)
def test_plain_command_means_the_same(options):
    command = shlex.split(plain_command("a face.png", "b.jpg", "o.png", options, 1, "fan"))
    assert command[:2] == ["python", "faceswap/main.py"]
    arguments = build_parser().parse_args(command[2:])
    assert options_from(arguments) == options and arguments.landmarks == "fan"
    assert "--landmarks" not in plain_command("a face.png", "b.jpg", "o.png", options, 1, "BySize")
    assert (arguments.src, arguments.dst, arguments.out, arguments.face) == ("a face.png", "b.jpg", "o.png", 1)


def test_command_names_the_one_chosen_face(panel):
    assert "--face" not in panel.command_text.value
    panel.numbers.children[0].value = False
    assert "--face 1" in panel.command_text.value


def test_a_click_on_a_face_in_the_photo_chooses_it_or_leaves_it_out(panel):
    image, *picks = panel.body_box.children
    assert image is panel.body_image and len(picks) == 2
    scale = int(image.layout.width[:-2]) / PHOTO.shape[1]
    for pick, points in zip(picks, POINTS):
        top, _, _, left = (int(part.removesuffix("px")) for part in pick.layout.margin.split())
        middle = np.array([left, top]) + [int(pick.layout.width[:-2]) / 2, int(pick.layout.height[:-2]) / 2]
        box = box_of(points) * scale
        assert np.abs(middle - (box[:2] + box[2:]) / 2).max() <= 1
    picks[0].click()
    assert panel.chosen() == [1] and not panel.numbers.children[0].value
    picks[0].click()
    assert panel.chosen() == [0, 1] and panel.body_box.children[1] is picks[0]


def test_close_up_shows_the_faces_alone(panel):
    panel.numbers.children[0].value = False
    panel.zoom.value = True
    assert panel.view.image.shape[1] < PHOTO.shape[1]
    for points in panel.view.faces:
        x0, y0, x1, y1 = box_of(points)
        assert 0 <= x0 < x1 <= panel.view.image.shape[1] and 0 <= y0 < y1 <= panel.view.image.shape[0]


def test_view_of_a_large_photo_is_reduced_with_its_landmarks():
    large = np.zeros((3000, 2000, 3), np.uint8)
    points = place_mesh((1000, 1500), 200)
    view = make_view(large, [points], zoom=False)
    height, width = view.image.shape[:2]
    assert PREVIEW_PIXELS * 0.98 < height * width <= PREVIEW_PIXELS * 1.01
    scale = [width / 2000, height / 3000]
    assert np.allclose((view.faces[0][:, :2] + 0.5), (points[:, :2] + 0.5) * scale, atol=1e-3)


def test_wipe_shows_before_left_of_the_line():
    before, after = np.zeros((4, 10, 3), np.uint8), np.full((4, 10, 3), 9, np.uint8)
    assert np.array_equal(wipe(before, after, 0), after) and np.array_equal(wipe(before, after, 1), before)
    half = wipe(before, after, 0.5)
    assert (half[:, :4] == 0).all() and (half[:, 6:] == 9).all()


def test_thumbnail_keeps_the_photo_in_proportion():
    small = number_faces(PHOTO, POINTS, [0], 130)
    assert small.shape[:2] == (130, 220) and not np.array_equal(small, number_faces(PHOTO, POINTS, [1], 130))


def upload(widget, name, data):
    now = datetime.datetime.now()
    file = {"name": name, "type": "", "size": len(data), "content": memoryview(data), "last_modified": now}
    widget.value = [File(file)]


def test_an_upload_is_kept_beside_the_results(panel, tmp_path):
    Image.fromarray(FACE).save(tmp_path / "f.png")
    upload(panel.face_upload, "../../f.png", (tmp_path / "f.png").read_bytes())
    assert panel.face_path == str(tmp_path / "out" / "uploads" / "face" / "f.png")
    assert panel.save() == [tmp_path / "out" / "o.png"]
    upload(panel.body_upload, "run.sh", b"#!/bin/sh")
    assert "not a picture" in panel.message.value
    assert not list((tmp_path / "out" / "uploads").rglob("run.sh"))
    upload(panel.body_upload, "f.png", png(PHOTO))
    assert panel.taken == str(tmp_path / "out" / "uploads" / "photo" / "f.png")
    assert np.array_equal(read_image(panel.face_path), FACE) and np.array_equal(read_image(panel.taken), PHOTO)


@pytest.mark.parametrize("kind", [SwapPanel, SwapPage])
def test_an_upload_that_is_no_picture_takes_nobodys_place(kind, tmp_path):
    panel = kind(landmarker=BySize())
    panel.out.value = str(tmp_path / "o.png")
    upload(panel.face_upload, "f.png", png(FACE))
    upload(panel.body_upload, "f.png", png(PHOTO))
    files, shown = {path: Path(path).read_bytes() for path in (panel.face_path, panel.taken)}, panel.after
    for control, content in ((panel.face_upload, png(FACE)[:-400]), (panel.body_upload, png(PHOTO)[:200])):
        upload(control, "f.png", content)
        assert "f.png: cannot be read" in panel.message.value.split("<details>")[0]
        assert "/" not in panel.message.value.split("cannot be read")[0].replace("</", "")
    assert {path: Path(path).read_bytes() for path in (panel.face_path, panel.taken)} == files
    assert panel.after is shown and panel.swapper is not None
    assert sorted(path.name for path in (tmp_path / "uploads").rglob("*") if path.is_file()) == ["f.png", "f.png"]


def test_problems_are_told_in_the_panel(panel, tmp_path):
    panel.set_face(np.zeros((30, 30, 3), np.uint8))
    assert "no face found" in panel.message.value and panel.swapper is None
    panel.set_body(tmp_path / "none.jpg")
    assert "none.jpg" in panel.message.value.split("<details>")[0]
    assert "no photo yet" in repr(SwapPanel(landmarker=BySize()))
    assert read_image(example_photo()).shape == (512, 512, 3)


def test_a_path_that_cannot_be_read_changes_nothing_of_what_is_saved(panel, tmp_path):
    (tmp_path / "other.png").write_text("no picture")
    panel.body_path.value = str(tmp_path / "other.png")
    assert "other.png" in panel.message.value
    panel.draw()
    assert str(tmp_path / "body.png") in panel.command_text.value and "other.png" not in panel.command_text.value
    assert panel.as_text().startswith("body.png: ")
    out, _ = panel.save()
    assert read_mark(out).settings["dst"] == "body.png"
    panel.out.value = str(tmp_path / "body.png")
    with pytest.raises(ValueError, match="overwrite"):
        panel.save()
    for name in ("p-face.png", "p-before_after.jpg"):  # what is written beside the result
        Image.fromarray(PHOTO).save(tmp_path / name)
        panel.set_body(tmp_path / name)
        panel.out.value, panel.sheet.value = str(tmp_path / "p.png"), True
        with pytest.raises(ValueError, match="overwrite"):
            panel.save()


@pytest.mark.parametrize(("left_out", "which"), [((), "all"), ((0,), 1), ((0, 1), [])])
def test_a_saved_picture_says_which_faces_were_chosen(panel, left_out, which):
    for number in left_out:
        panel.numbers.children[number].value = False
    settings = read_mark(panel.save()[0]).settings
    assert settings["face"] == which and settings["src_face"] == "largest" and settings["landmarks"] == "BySize"


# --- a whole folder


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

    monkeypatch.setattr(panel_job, "run_batch", rows)
    (tmp_path / "many").mkdir()
    Image.fromarray(PHOTO).save(tmp_path / "many" / "body.png")  # a result
    panel.landmarker = MeshLandmarker()
    folder = FolderPanel(panel, tmp_path, tmp_path / "many", workers=2)
    assert repr(asyncio.run(folder.run())) == "5 swapped"
    assert folder.bar.max == 1 and handed[0][0].landmarks == "mesh"
    job, *rest = handed[0]
    assert rest == [tmp_path, tmp_path / "many", 2]
    assert job.options == panel.options() and not Path(job.src).exists()
    show = folder._show
    folder._show = lambda row: (show(row), folder.stop())
    assert repr(asyncio.run(folder.run())) == "1 swapped"


def test_the_plain_command_of_a_folder_means_the_same(panel, tmp_path):
    folder = FolderPanel(panel, tmp_path / "many photos", tmp_path / "out", workers=2)
    panel.controls["strength"].value = 0.5
    command = shlex.split(folder.command())
    assert command[:4] == ["python", "-m", "faceswap", "batch"]
    assert html.escape(folder.command()) in folder.command_text.value
    given = dict(zip(command[4::2], command[5::2]))
    assert given["--src"] == str(panel.face_file()) and given["--dst"] == str(tmp_path / "many photos")
    assert given["--workers"] == "2" and command[command.index("--strength") + 1] == "0.5"


# --- a page for strangers


def png(picture) -> bytes:
    data = io.BytesIO()
    Image.fromarray(picture).save(data, "PNG")
    return data.getvalue()


def widgets_of(widget) -> list:
    """A widget and all within it."""
    inner = [part for child in getattr(widget, "children", ()) for part in widgets_of(child)]
    return [widget, *inner]


def test_page_holds_no_path_and_tells_none(tmp_path):
    Image.fromarray(PHOTO).save(tmp_path / "body.png")
    page = SwapPage(str(tmp_path / "body.png"), BySize())
    page.set_face(FACE, {"seed": 7})
    assert not [part for part in widgets_of(page) if isinstance(part, widgets.Text)]
    shown = " ".join(part.value for part in widgets_of(page) if isinstance(part, widgets.HTML))
    assert str(tmp_path) not in shown and "body.png: 440 x 260" in shown and "<code>" not in shown
    page.face_upload.value = ()
    upload(page.body_upload, "none.png", b"not a picture")
    assert "cannot be read" in page.message.value and "Traceback" not in page.message.value


def test_page_limits_uploads_in_bytes_pixels_and_formats(tmp_path):
    page = SwapPage(landmarker=BySize())
    upload(page.body_upload, "big.png", b"x" * (LARGEST_UPLOAD + 1))
    assert "below 12 MB" in page.message.value
    upload(page.body_upload, "wide.png", png(np.zeros((4900, 4900, 3), np.uint8)))
    assert "24 megapixels" in page.message.value
    upload(page.body_upload, "a.png", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n")
    assert "cannot be read" in page.message.value
    upload(page.body_upload, "../../ok.png", png(PHOTO))
    assert page.message.value == "" and Path(page.taken).parent == Path(page.folder.name) / "uploads" / "photo"


def test_folder_of_a_page_names_machine_and_process_and_goes_with_the_page():
    page = SwapPage(landmarker=BySize())
    folder = Path(page.folder.name)
    assert leftovers.FOLDER.fullmatch(folder.name)[2] == str(os.getpid()) and folder.is_dir()
    page.folder.cleanup()
    assert not folder.exists()


def test_page_keeps_no_upload_that_is_not_in_use():
    page = SwapPage(landmarker=BySize())
    for name in ("a.png", "b.png"):
        upload(page.body_upload, name, png(PHOTO))
        upload(page.face_upload, name, png(FACE))
    upload(page.body_upload, "c.png", png(PHOTO))
    kept = sorted(path.relative_to(page.folder.name).as_posix() for path in Path(page.folder.name).rglob("*.png"))
    assert kept == ["uploads/face/b.png", "uploads/photo/b.png", "uploads/photo/c.png"]
    assert page.save() and page.message.value


def test_messages_of_a_page_name_files_without_their_folders():
    page = SwapPage(landmarker=BySize())
    upload(page.body_upload, "no face.png", png(np.zeros((50, 50, 3), np.uint8)))
    assert ">no face.png: no face found in the photo" in page.message.value
    message = Message(details=False)
    for text, seen in (
        ("/photos/my files/a.png: cannot be read", "a.png: cannot be read"),
        ("no such file: 'C:\\users\\x\\a.png'", "no such file: &#x27;a.png&#x27;"),
        ("give a JPEG and/or PNG picture", "give a JPEG and/or PNG picture"),
        ("see https://example.org/a/b", "see https://example.org/a/b"),
    ):
        message.fail(ValueError(text))
        assert f">{seen}<" in message.value
    page.message.fail(PermissionError(13, "Permission denied", page.out.value))
    assert ">output.jpg: Permission denied<" in page.message.value


def test_page_hands_the_marked_result_to_the_browser(tmp_path):
    page = SwapPage(landmarker=BySize())
    page.set_face(FACE, {"seed": 7})
    upload(page.body_upload, "b.png", png(PHOTO))
    page.save_button.click()
    data = base64.b64decode(page.download.value.split("base64,")[1].split('"')[0])
    (tmp_path / "got.jpg").write_bytes(data)
    assert read_mark(tmp_path / "got.jpg").source_type == COMPOSITE
    assert read_image(tmp_path / "got.jpg").shape == PHOTO.shape
    page.controls["strength"].value = 0.5
    assert page.download.value == ""


# --- a face that fits


def test_the_face_that_fits_best_comes_first_and_is_taken_by_a_click(panel):
    turned = {yaw: place_mesh((70, 66), 30, yaw=yaw) for yaw in (-0.5, -0.25, 0.0, 0.3)}
    asked, taken = [], []

    class ByPicture:
        def find(self, image):
            asked.append(1)
            return [turned[next(yaw for yaw in turned if np.array_equal(image, pictures[yaw]))]]

    pictures = {yaw: draw_face(points, (140, 140)) for yaw, points in turned.items()}
    panel.landmarker = ByPicture()
    fit = FitPanel(panel, lambda n: iter(pictures.items()), taken.append)
    asyncio.run(fit.run())
    assert [key for _, key, _ in fit.best] == [0.0, -0.25, 0.3, -0.5]
    fit.shown_best.children[1].children[1].click()
    assert taken == [-0.25]
    asyncio.run(fit.run())
    assert len(asked) == 4  # measured once


def test_looking_for_faces_keeps_no_pictures_and_forgets_old_looks(panel, monkeypatch):
    monkeypatch.setattr(panel_match, "BEST", 3)
    monkeypatch.setattr(panel_match, "KEPT", 12)
    points = place_mesh((70, 66), 30)
    panel.landmarker, picture, drawn = FakeLandmarker(points), draw_face(points, (140, 140)), []

    def candidates(n):
        for seed in range(n):
            new = picture.copy()
            drawn.append(weakref.ref(new))
            yield (psi, seed), new

    fit = FitPanel(panel, candidates, print)
    fit.count.value = 20
    for psi in (0.7, 0.5, 0.3):
        asyncio.run(fit.run())
        assert [key for _, key, _ in fit.best] == [(psi, 0), (psi, 1), (psi, 2)]
    gc.collect()
    assert len(drawn) == 60 and not any(ref() is not None for ref in drawn)
    assert list(fit.looks) == [(0.3, seed) for seed in range(8, 20)]


def test_looking_for_a_face_without_a_photo_is_told():
    fit = FitPanel(SwapPanel(landmarker=BySize()), lambda n: iter(()), print)
    assert "no face was looked for" in repr(asyncio.run(fit.run()))
    assert "choose a photo" in fit.message.value


def test_a_browser_cannot_ask_for_more_candidates_than_the_slider_has(panel):
    asked = []
    fit = FitPanel(panel, lambda n: asked.append(n) or iter(()), print)
    fit.count.max = fit.count.value = 10**9
    asyncio.run(fit.run())
    assert asked == [panel_match.MOST] and fit.bar.max == panel_match.MOST


def test_looking_for_a_face_tells_strangers_no_traceback():
    fit = FitPanel(SwapPage(landmarker=BySize()), lambda n: iter(()), print)
    asyncio.run(fit.run())
    assert "choose a photo" in fit.message.value and "Traceback" not in fit.message.value


# --- a video


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
    show = video._show
    video._show = lambda progress: (show(progress), progress.frames == 5 and video.stop())
    assert "5 of 24 frames" in repr(asyncio.run(video.run()))
    assert "stopped early" in video.message.value


def test_face_and_options_of_a_video_are_those_of_its_beginning(panel, clip, tmp_path):
    video = VideoPanel(panel, clip, tmp_path / "v.mp4")
    asyncio.run(video.run())
    untouched = read_frame(tmp_path / "v.mp4", 0.5)
    show = video._show

    def disturb(progress):
        show(progress)
        if progress.frames == 2:
            panel.controls["strength"].value = 0.0
            panel.set_face(FACE[:, ::-1].copy(), {"seed": 8})
            video.out.value = str(tmp_path / "w.mp4")

    video._show = disturb
    assert "24 with a new face" in repr(asyncio.run(video.run()))
    assert np.array_equal(read_frame(tmp_path / "v.mp4", 0.5), untouched)
    assert "v.mp4" in video.message.value and not (tmp_path / "w.mp4").exists()


def test_a_video_is_searched_by_a_landmarker_of_its_own(panel, clip, tmp_path):
    class Mesh(BySize, MeshLandmarker):
        def find_others(self, image, known, whole=(), tile=None):
            asked.add((self, threading.current_thread()))
            return self.find(image) if not known else []

        def follower(self):
            return lambda image, before: before

    asked = set()
    panel.landmarker = Mesh()
    assert "24 with a new face" in repr(asyncio.run(VideoPanel(panel, clip, tmp_path / "v.mp4").run()))
    assert asked and panel.landmarker not in {landmarker for landmarker, _ in asked}
    assert threading.current_thread() not in {thread for _, thread in asked}


def test_the_plain_command_of_a_video_means_the_same(panel, clip, tmp_path):
    panel.controls["feather"].value = 0.2
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

"""Command line: puts a face onto a video file, or onto the webcam's picture when no file is named.

python faceswap/main_video.py --src_img FACE [--video_path input.avi] [--show] --correct_color --save_path output.avi
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from faceswap.cli.photo import (
    WINDOW,
    add_option_flags,
    can_show,
    face_name,
    notice,
    one_face_name,
    options_from,
    plural,
    run,
)
from faceswap.find.detection import shrink
from faceswap.find.landmarks import LANDMARKERS, make_landmarker
from faceswap.find.tracking import FaceChoice, Track, Tracker
from faceswap.jobs.sheet import label
from faceswap.media.images import check_output
from faceswap.media.pipeline import Behind
from faceswap.swap import Swapper, describe

TITLE = "swap"


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this command."""
    parser = argparse.ArgumentParser(
        prog="main_video.py", description="Put a face onto a video or the webcam's picture."
    )
    parser.add_argument("--src_img", required=True, metavar="FACE", help="picture of the face to put in")
    parser.add_argument("--video_path", metavar="FILE", help="video to put it into; without it, the webcam")
    parser.add_argument("--save_path", metavar="FILE", help="where to write the result; its ending chooses the format")
    parser.add_argument("--show", action="store_true", help="show the result in a window while it is made")
    parser.add_argument("--face", type=face_name, default="all", help="whose face: all, largest, or a number from 0")
    parser.add_argument("--src_face", type=one_face_name, default="largest", help="which face of --src_img")
    parser.add_argument("--landmarks", choices=LANDMARKERS, default="mesh", help="what finds the faces' points")
    parser.add_argument("--codec", help="video encoder (default: libx264, mpeg4 for .avi, libvpx-vp9 for .webm)")
    parser.add_argument("--crf", type=int, choices=range(0, 64), metavar="0-63", help="quality, smaller is better")
    parser.add_argument("--camera", type=int, metavar="N", help="which webcam (default: 0)")
    parser.add_argument("--virtual_camera", action="store_true", help="offer the result as a camera to other programs")
    add_option_flags(parser)
    return parser


def swap_file(args: argparse.Namespace) -> str:
    """Swaps a video file with a progress bar and returns the closing line.

    Raises:
        OSError, ValueError: one sentence.
    """
    from bars import progress_bar
    from faceswap.jobs.film import swap_video
    from faceswap.media.encoder import codec_of
    from faceswap.media.video import VIDEO_SUFFIXES, open_video

    check_output(args.save_path, (args.src_img, args.video_path), VIDEO_SUFFIXES)
    open_video(args.video_path).close()
    if args.codec:
        codec_of(args.codec)
    options = options_from(args)
    landmarker = make_landmarker(args.landmarks, notice=notice)
    swapper = Swapper(args.src_img, options, landmarker, face=args.src_face)
    window = Window(args.show)

    def swap(image: np.ndarray, tracks: list[Track]) -> np.ndarray:
        return swapper.swap(image, [track.points for track in tracks], moving=True)

    settings = describe(args.src_img, args.video_path, options, 0, args.face, args.src_face, args.landmarks)
    tracker = FaceChoice(Tracker(landmarker), args.face)
    files = (args.video_path, args.save_path)
    done = swap_video(*files, tracker, swap, settings, args.codec, args.crf, show=window.show)
    first, stopped = next(done), False  # a file that holds no frames ends here, without a progress bar
    with asked_to_stop() as stop, progress_bar(unit="frame") as bar:
        for last in itertools.chain([first], done):
            bar.total = last.total or None
            bar.update()
            if stop or window.closed:
                stopped = True
                done.close()
                break
    return closing_line(last, args.save_path, stopped)


def closing_line(last, path: str, stopped: bool) -> str:
    """Returns what was done, in one line."""
    without = last.frames - last.swapped
    line = f"{plural(last.swapped, 'frame')} swapped, {without} without a face passed through"
    if last.damaged:
        line += f", {last.damaged} damaged left out"
    return f"{'stopped early: ' if stopped else ''}{line}, written to {path}"


@contextlib.contextmanager
def asked_to_stop() -> Iterator[list]:
    """Gives a list that is no longer empty once Ctrl-C was pressed; pressed again, it interrupts as usual."""
    asked: list = []

    def ask(number, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)


class Window:
    """A preview window, or nothing where there is no display."""

    def __init__(self, wanted: bool, title: str = TITLE):
        self.title, self.closed = title, False
        self.open = wanted and can_show()
        if wanted and not self.open:
            print("no window is opened: there is no display", flush=True)

    def show(self, image: np.ndarray, text: str = "") -> None:
        """Shows a uint8 [H, W, 3] RGB frame and a line of text; `closed` tells whether the user has ended it."""
        if not self.open or self.closed:
            return
        small, _ = shrink(image, WINDOW)
        cv2.imshow(self.title, cv2.cvtColor(label(small, text) if text else small, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1) & 0xFF
        self.closed = key in (ord("q"), 27) or cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1


class Latest:
    """The newest frame of a camera: read by a thread of its own as fast as they come, older ones are dropped.

    Args:
        frames: yields uint8 [H, W, 3] RGB; it may block. What it raises is raised when the next frame is asked for.
    """

    def __init__(self, frames: Iterator[np.ndarray]):
        self._slot: deque = deque(maxlen=1)
        self._news, self._ended = threading.Event(), False
        self._error: BaseException | None = None
        self.read = 0
        self._thread = threading.Thread(target=self._pump, args=(frames,), daemon=True)
        self._thread.start()

    def _pump(self, frames: Iterator[np.ndarray]) -> None:
        try:
            for image in frames:
                self._slot.append((time.perf_counter(), image))
                self.read += 1
                self._news.set()
                if self._ended:
                    break
        except BaseException as error:  # told to whoever waits for the next frame
            self._error = error
        self._ended = True
        self._news.set()

    def __iter__(self) -> Iterator[tuple[float, np.ndarray]]:
        """Yields (time of reading in seconds, frame), always the newest, each once."""
        while True:
            self._news.clear()
            ended = self._ended  # before the slot is looked at: the last frame must not be missed
            try:
                yield self._slot.pop()
            except IndexError:
                if ended and self._error is not None:
                    raise self._error from None
                if ended:
                    return
                self._news.wait(1.0)

    def stop(self) -> None:
        """Ends the reading."""
        self._ended = True
        self._thread.join(timeout=2)


def camera_frames(number: int) -> Iterator[np.ndarray]:
    """Returns an iterator of the webcam's frames, uint8 [H, W, 3] RGB.

    Raises:
        OSError: there is no such camera.
    """
    camera = cv2.VideoCapture(number)
    shown, image = camera.read() if camera.isOpened() else (False, None)
    if not shown:
        camera.release()
        raise OSError(f"camera {number}: cannot be opened; is it plugged in and not in use by another program?")

    def read() -> Iterator[np.ndarray]:
        shown, image = True, None
        try:
            while True:
                shown, image = camera.read()
                if not shown:
                    return
                yield cv2.cvtColor(image, cv2.COLOR_BGR2RGB)
        finally:
            camera.release()

    return read()


class Meter:
    """Latency and frames per second, as a line of text."""

    def __init__(self) -> None:
        self._rate, self._before = 0.0, None

    def __call__(self, taken: float) -> str:
        """Returns the line for a frame that was read at `taken` (seconds) and is shown now."""
        now = time.perf_counter()
        if self._before is not None:
            self._rate += 0.1 * (1 / max(now - self._before, 1e-3) - self._rate)
        self._before = now
        return f"{1000 * (now - taken):.0f} ms  {self._rate:.0f} frames/s"


def open_virtual_camera(width: int, height: int):
    """Returns a pyvirtualcam camera.

    Raises:
        ValueError, OSError: the package or the device is missing.
    """
    try:
        import pyvirtualcam
    except ImportError:
        raise ValueError("--virtual_camera needs the package pyvirtualcam: pip install pyvirtualcam") from None
    try:
        return pyvirtualcam.Camera(width, height, 30)
    except RuntimeError as error:
        raise OSError(f"the virtual camera cannot be opened ({' '.join(str(error).split())})") from None


def swap_camera(args: argparse.Namespace) -> str:
    """Swaps the webcam's picture until q is pressed or the window closed, and returns the closing line."""
    from faceswap.jobs.film import BEHIND
    from faceswap.media.encoder import Writer, codec_of
    from faceswap.media.video import VIDEO_SUFFIXES

    if args.save_path:
        check_output(args.save_path, (args.src_img,), VIDEO_SUFFIXES)
    if args.codec:
        codec_of(args.codec)
    options = options_from(args)
    landmarker = make_landmarker(args.landmarks, notice=notice)
    swapper = Swapper(args.src_img, options, landmarker, face=args.src_face)
    window = Window(wanted=can_show())
    if not (window.open or args.save_path or args.virtual_camera):
        raise ValueError("nothing would be seen of the webcam's picture: there is no display; give --save_path")
    start = time.perf_counter()
    latest = Latest(camera_frames(args.camera or 0))
    settings = describe(args.src_img, None, options, 0, args.face, args.src_face, args.landmarks)
    writer = Writer(args.save_path, None, settings, args.codec, args.crf) if args.save_path else None
    count, meter, camera = 0, Meter(), None
    try:
        live = live_results(latest, FaceChoice(Tracker(landmarker), args.face), swapper)
        with contextlib.closing(live) as results, asked_to_stop() as stop, Behind(BEHIND) as writing:
            for taken, result in results:
                count += 1
                if writer:
                    writing.do(writer.write_frame, result, round(1000 * (taken - start)), Fraction(1, 1000))
                if args.virtual_camera:
                    camera = camera or open_virtual_camera(result.shape[1], result.shape[0])
                    camera.send(result)
                window.show(result, meter(taken))
                if stop or window.closed:
                    break
    finally:
        latest.stop()
        if writer:
            writer.close() if writer.frames else writer.discard()
    return f"{plural(count, 'frame')} swapped" + (f", written to {args.save_path}" if writer and count else "")


def live_results(latest: Latest, tracker: Tracker | FaceChoice, swapper: Swapper) -> Iterator[tuple[float, np.ndarray]]:
    """Yields (time of reading, result) for the newest frame, as often as the machine can.

    Following each frame in a thread beside the swap was measured: where processors are scarce it takes from the swap
    more time than it saves, and the delay grows.
    """
    before = None
    for taken, image in latest:
        tracks = tracker.update(image, 1 / 30 if before is None else taken - before)
        before = taken
        yield taken, swapper.swap(image, [track.points for track in tracks], moving=True) if tracks else image


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code of the command."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.video_path and args.camera is not None:
        parser.error("argument --camera: not allowed with --video_path; a video is read, or a camera")
    if args.video_path and args.virtual_camera:
        parser.error("argument --virtual_camera: not allowed with --video_path; only a webcam's picture can be offered")
    if args.video_path and not args.save_path:
        parser.error("the following arguments are required: --save_path")
    return run(swap_file if args.video_path else swap_camera, args)

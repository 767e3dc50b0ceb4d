"""The webcam's picture with a new face on it, as it comes."""

from __future__ import annotations

import argparse
import contextlib
import threading
import time
from collections import deque
from collections.abc import Iterator
from fractions import Fraction

import cv2
import numpy as np

from faceswap.cli.common import asked_to_stop
from faceswap.cli.window import Window
from faceswap.find.tracking import FaceChoice, Tracker
from faceswap.jobs.film import BEHIND
from faceswap.media.encoder import Writer
from faceswap.media.pipeline import Behind
from faceswap.swap import Swapper


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


def swap_live(args: argparse.Namespace, swapper: Swapper, tracker: FaceChoice, settings: dict, window: Window) -> int:
    """Swaps the webcam's picture until Ctrl-C or q is pressed or the window is closed; returns how many frames.

    Args:
        args: says which camera, where the result is written and whether it is offered as a camera.
        settings: how it is made, for the metadata.
    """
    start, count, meter, camera = time.perf_counter(), 0, Meter(), None
    latest = Latest(camera_frames(args.camera or 0))
    writer = Writer(args.save_path, None, settings, args.codec, args.crf) if args.save_path else None
    try:
        live = live_results(latest, tracker, swapper)
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
            writer.close()
    return count


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

"""Preview windows, where there is a display."""

from __future__ import annotations

import os
import subprocess
import sys

import cv2
import numpy as np

from faceswap.find.detection import shrink
from faceswap.jobs.sheet import label

LONGEST = 1000  # the preview's longer side, pixels
ESCAPE = 27


class Window:
    """A preview window, or nothing where there is no display."""

    def __init__(self, wanted: bool, title: str = "swap"):
        self.title, self.closed = title, False
        self.open = wanted and can_show()
        if wanted and not self.open:
            print("no window is opened: there is no display", flush=True)

    def show(self, image: np.ndarray, text: str = "") -> None:
        """Shows a uint8 [H, W, 3] RGB frame and a line of text; `closed` tells whether the user has ended it."""
        if not self.open or self.closed:
            return
        small, _ = shrink(image, LONGEST)
        cv2.imshow(self.title, cv2.cvtColor(label(small, text) if text else small, cv2.COLOR_RGB2BGR))
        key = cv2.waitKey(1) & 0xFF
        self.closed = key in (ord("q"), ESCAPE) or self._gone()

    def show_until_closed(self, image: np.ndarray) -> None:
        """Shows a frame until a key is pressed or the window is closed."""
        self.show(image)
        while self.open and cv2.waitKey(50) < 0 and not self._gone():
            pass

    def _gone(self) -> bool:
        return cv2.getWindowProperty(self.title, cv2.WND_PROP_VISIBLE) < 1


def can_show() -> bool:
    """Returns whether a window can be opened, tried out in a process of its own: a toolkit without display aborts."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    trial = "import cv2; cv2.namedWindow('trial'); cv2.destroyAllWindows()"
    try:
        return subprocess.run([sys.executable, "-c", trial], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False

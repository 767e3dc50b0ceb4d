"""The 68 points of face-alignment, for those who want another opinion than the mesh."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np

from faceswap.find.detection import Detector


class FanLandmarker:
    """The 68 points of face-alignment's 2DFAN-4 (Bulat & Tzimiropoulos 2017, arXiv 1703.07332), found by our detectors.

    Args:
        notice: is told a line before anything is fetched from the network.
    """

    name = "fan"

    def __init__(self, notice: Callable[[str], None] | None = None):
        self._detector = Detector()
        self._notice = notice
        self._network = None

    def find(self, image: np.ndarray) -> list[np.ndarray]:
        """Returns [68, 2] float32 points per face, largest face first.

        Raises:
            OSError: the weights are not on this machine and cannot be fetched.
            ValueError: face-alignment is not installed.
        """
        boxes = []
        for found in sorted(self._detector.detect(image), key=lambda d: -d.size):
            x0, y0, x1, y1 = found.box
            boxes.append([x0, y0 - 0.15 * (y1 - y0), x1, y1])  # its own detector's boxes reach further up
        if not boxes:
            return []
        if self._network is None:
            self._network = self._load()
        points = self._network.get_landmarks_from_image(np.ascontiguousarray(image), detected_faces=boxes)
        return [np.asarray(p, np.float32)[:, :2] for p in points or ()]

    def _load(self):
        try:
            import face_alignment
            from face_alignment.api import models_urls
            from torch.hub import get_dir
        except ImportError as error:
            raise ValueError(
                f"the landmarks named fan take {error.name}, which is not installed; the extra `fan` brings it: "
                "pip install '.[fan]'; or use the landmarks named mesh"
            ) from None

        file = os.path.join(get_dir(), "checkpoints", os.path.basename(models_urls["2DFAN-4"]))
        if self._notice and not os.path.exists(file):
            self._notice(f"fetching the weights of face-alignment, once, to {file}")
        try:
            return face_alignment.FaceAlignment(
                face_alignment.LandmarksType.TWO_D, device="cpu", face_detector="folder", compile=False
            )
        except (OSError, RuntimeError) as error:
            reason = " ".join(str(error).split())
            raise OSError(
                f"{file}: the weights of face-alignment could not be fetched ({reason}); "
                "connect to the network once, or use the landmarks named mesh"
            ) from None

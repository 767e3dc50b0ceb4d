"""Facts about the webcam's picture: the newest frame counts."""

import threading
import time

import numpy as np
import pytest
from drawn_face import FakeLandmarker
from drawn_film import SIZE, face_at

from faceswap.cli.camera import Latest, Meter, live_results
from faceswap.find.tracking import FaceChoice, Tracker
from faceswap.swap import Options, Swapper


def paced(frames, rate, images):
    for number in range(frames):
        time.sleep(1 / rate)
        yield np.full((*SIZE, 3), number, np.uint8) if images is None else images[number]


def test_the_latest_frame_wins_and_the_delay_does_not_grow():
    latest = Latest(paced(60, 200, None))
    seen, delays = [], []
    for taken, image in latest:
        time.sleep(0.03)  # six times slower than the camera
        seen.append(int(image[0, 0, 0]))
        delays.append(time.perf_counter() - taken)
    assert seen == sorted(set(seen)) and len(seen) < 30
    assert latest.read == 60 and seen[-1] >= 58
    assert np.median(delays[len(delays) // 2 :]) < 0.2


def test_at_full_pace_every_frame_is_seen():
    latest = Latest(paced(30, 100, None))
    assert len([image for _, image in latest]) >= 25


def test_what_goes_wrong_in_a_stage_is_told_after_its_last_item():
    def frames():
        yield 1
        raise OSError("the camera is gone")

    with pytest.raises(OSError, match="the camera is gone"):
        for _ in Latest(frames()):
            pass


def test_the_live_picture_is_swapped():
    points, image = face_at(80)
    source_points, source = face_at(80, skin=(140, 95, 70))
    swapper = Swapper(source, Options(), FakeLandmarker(points), points=source_points)
    latest = Latest(paced(5, 50, [image] * 5))
    results = list(live_results(latest, FaceChoice(Tracker(swapper.landmarker)), swapper))
    assert results and all((result != image).any() for _, result in results)
    assert "ms" in Meter()(time.perf_counter()) and threading.active_count() < 20

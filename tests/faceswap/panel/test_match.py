"""A face that fits."""

import asyncio
import gc
import weakref

import numpy as np
from drawn_face import FakeLandmarker, draw_face, place_mesh
from two_faces import BySize

from faceswap.panel import FitPanel, SwapPage, SwapPanel
from faceswap.panel import match as match_module


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
    monkeypatch.setattr(match_module, "BEST", 3)
    monkeypatch.setattr(match_module, "KEPT", 12)
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
    assert "no face was looked for" in repr(fit) and "choose a photo" in repr(asyncio.run(fit.run()))
    assert "choose a photo" in fit.message.value


def test_a_browser_cannot_ask_for_more_candidates_than_the_slider_has(panel):
    asked = []
    fit = FitPanel(panel, lambda n: asked.append(n) or iter(()), print)
    fit.count.max = fit.count.value = 10**9
    asyncio.run(fit.run())
    assert asked == [match_module.MOST] and fit.bar.max == match_module.MOST


def test_looking_for_a_face_tells_strangers_no_traceback():
    fit = FitPanel(SwapPage(landmarker=BySize()), lambda n: iter(()), print)
    asyncio.run(fit.run())
    assert "choose a photo" in fit.message.value and "Traceback" not in fit.message.value

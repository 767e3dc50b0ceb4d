"""Facts about keeping native libraries' chatter off the screen."""

import os
import sys

import numpy as np

from graphs.runners import MODELS, Graph
from graphs.silence import silent_libraries


def test_silence_may_overlap_and_ends_with_the_last():
    before, number = sys.stderr, os.fstat(2)
    first, second = silent_libraries(), silent_libraries()
    for manager in (first, second):
        manager.__enter__()
    inside = os.fstat(2)
    first.__exit__(None, None, None)
    assert os.fstat(2) == inside
    second.__exit__(None, None, None)
    assert sys.stderr is before and os.path.samestat(os.fstat(2), number)


def test_library_chatter_is_kept_off_the_screen(capfd):
    with silent_libraries():
        os.write(2, b"chatter of a native library\n")
        print("our own line", file=sys.stderr)
    assert capfd.readouterr().err.strip() == "our own line"
    os.write(2, b"back\n")
    assert capfd.readouterr().err == "back\n"


def test_it_holds_where_there_is_no_standard_error(monkeypatch, capfd):
    monkeypatch.setattr(sys, "stderr", None)
    with silent_libraries():
        Graph(MODELS / "face_landmark.tflite")(np.zeros((1, 192, 192, 3), np.float32))
    assert sys.stderr is None and capfd.readouterr().err == ""

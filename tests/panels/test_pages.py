"""What a cell shows."""

import pytest

pytest.importorskip("ipywidgets", reason="ipywidgets is not installed")

from panels.pages import Shown


def test_shown_is_text_and_picture():
    assert Shown("text")._repr_mimebundle_() == {"text/plain": "text"}

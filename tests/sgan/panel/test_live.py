"""The sliders of a running training."""

import ipywidgets as widgets
import pytest

from sgan.config import HParams
from sgan.panel.live import live_widget


def test_live_widgets_keep_to_the_ranges():
    rate = live_widget("learning_rate", 0.002)
    assert (
        isinstance(rate, widgets.FloatLogSlider)
        and 10**rate.max == HParams.__dataclass_fields__["learning_rate"].metadata["max"]
    )
    assert not rate.continuous_update
    assert live_widget("r1_gamma", 0.0032).value == pytest.approx(0.0032)  # which is below the usual range
    assert isinstance(live_widget("DGR", 1), widgets.IntSlider)
    assert live_widget("no_such_parameter", 1) is None

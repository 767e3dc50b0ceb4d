"""The tabs of the face panel beside the face itself: each works on the panel's `face`, none knows of another.

A tab is a widget made from the panel, and one line in TABS. Imports anything below panel.
"""

from typing import NamedTuple

import ipywidgets as widgets

from sgan.panel.tabs.mix import MixTab
from sgan.panel.tabs.nearest import NearestTab
from sgan.panel.tabs.walk import WalkTab


class Tab(NamedTuple):
    """A kind of tab, made by `kind(panel)` from the FacePanel it belongs to; help: as the notebook says it."""

    kind: type[widgets.Widget]
    help: str


TABS = {
    "Mix styles": Tab(MixTab, help="people down, styles across"),
    "Walk": Tab(WalkTab, help="a video from person to person"),
    "Nearest": Tab(NearestTab, help="the training pictures most like the shown face"),
}

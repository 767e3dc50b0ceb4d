"""The widgets of notebooks/Swap.ipynb: a face onto a photo with a live preview, onto a folder of photos, onto a video.

Imports anything of faceswap but cli; nothing but notebooks imports from here.
"""

from typing import NamedTuple

from faceswap.panel.folder import FolderPanel
from faceswap.panel.match import FitPanel
from faceswap.panel.page import SwapPage
from faceswap.panel.swap import SwapPanel, example_photo
from faceswap.panel.video import VideoPanel
from panels.pages import Panel

__all__ = ["PANELS", "FitPanel", "FolderPanel", "SwapPage", "SwapPanel", "VideoPanel", "example_photo"]


class Addition(NamedTuple):
    """A kind of panel that works with the face, photo and options of a SwapPanel, its first argument."""

    kind: type[Panel]
    help: str


PANELS = {
    "fit": Addition(FitPanel, help="finds generated faces that are held and lit like the one in the photo"),
    "folder": Addition(FolderPanel, help="puts the face onto every photo of a folder"),
    "video": Addition(VideoPanel, help="puts the face onto a video, any frame of which can be looked at before"),
}

"""The widgets of notebooks/SGAN.ipynb: settings, training, and a look at the faces that a checkpoint makes.

Imports anything of sgan but cli; nothing but notebooks imports from here. Names are imported when first used: a page
of faces does not wait for PyTorch, which training takes.
"""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sgan.panel.faces import FacePanel, newest_checkpoint
    from sgan.panel.folder import show_folder
    from sgan.panel.form import ConfigForm
    from sgan.panel.page import FacePage, PersonPage
    from sgan.panel.train import TrainPanel

_HOMES = {
    "ConfigForm": "form",
    "FacePage": "page",
    "FacePanel": "faces",
    "PersonPage": "page",
    "TrainPanel": "train",
    "newest_checkpoint": "faces",
    "show_folder": "folder",
}
__all__ = ["ConfigForm", "FacePage", "FacePanel", "PersonPage", "TrainPanel", "newest_checkpoint", "show_folder"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'sgan.panel' has no attribute {name!r}")
    return getattr(import_module(f"sgan.panel.{_HOMES[name]}"), name)

"""The widgets of notebooks/SGAN.ipynb: settings, training, and a look at the faces that a checkpoint makes.

Beside `cli`, and like it on top of the rest of `sgan`; nothing but notebooks imports from here.
"""

from sgan.panel.faces import FacePanel, newest_checkpoint
from sgan.panel.folder import show_folder
from sgan.panel.form import ConfigForm
from sgan.panel.page import FacePage, PersonPage
from sgan.panel.train import TrainPanel

__all__ = ["ConfigForm", "FacePage", "FacePanel", "PersonPage", "TrainPanel", "newest_checkpoint", "show_folder"]

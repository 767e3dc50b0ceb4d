"""The widgets of notebooks/SGAN.ipynb: settings, training, and a look at the faces that a checkpoint makes."""

from sgan.panel_faces import FacePanel
from sgan.panel_form import ConfigForm, show_folder
from sgan.panel_train import TrainPanel

__all__ = ["ConfigForm", "FacePanel", "TrainPanel", "show_folder"]

"""The widgets of notebooks/SGAN.ipynb: settings, training, and a look at the faces that a checkpoint makes."""

from pathlib import Path

from sgan.panel_faces import FacePanel
from sgan.panel_form import ConfigForm, show_folder
from sgan.panel_train import TrainPanel
from sgan.state import CheckpointError, find_checkpoint

__all__ = ["ConfigForm", "FacePanel", "TrainPanel", "newest_checkpoint", "show_folder"]


def newest_checkpoint(run_dir: str | Path, otherwise: str | Path) -> str:
    """`run_dir` when a checkpoint is there, else the other one."""
    try:
        find_checkpoint(run_dir)
    except CheckpointError:
        return str(otherwise)
    return str(run_dir)

"""The widgets of notebooks/SGAN.ipynb: settings, training, and a look at the faces that a checkpoint makes."""

from pathlib import Path

from sgan.panel.faces import FacePanel
from sgan.panel.form import ConfigForm, show_folder
from sgan.panel.train import TrainPanel
from sgan.weights.checkpoint import find_checkpoint
from sgan.weights.formats import CheckpointError

__all__ = ["ConfigForm", "FacePanel", "TrainPanel", "newest_checkpoint", "show_folder"]


def newest_checkpoint(run_dir: str | Path, otherwise: str | Path) -> str:
    """`run_dir` when a checkpoint is there, else the other one."""
    try:
        find_checkpoint(run_dir)
    except CheckpointError:
        return str(otherwise)
    return str(run_dir)

"""What must hold before a run begins in the training panel."""

import os

import torch

from sgan.config import ConfigError, TrainConfig
from sgan.launch.run import newest_state
from sgan.weights.formats import CheckpointError


def check_runnable(config: TrainConfig) -> None:
    """ConfigError or CheckpointError when there is nothing that a run could begin with."""
    if config.is_train and not config.image_folder_path:
        raise ConfigError("image_folder_path is empty; give the folder of face pictures to train on")
    if not config.is_train and newest_state(config.save_folder_path) is None:
        raise CheckpointError(f"{config.save_folder_path} holds no state; train first (is_train True)")


def choose_gpus(indices: str) -> None:
    """Lets CUDA see only these GPUs; ConfigError when it is in use already and would not notice."""
    if not indices or os.environ.get("CUDA_VISIBLE_DEVICES") == indices:
        return
    if torch.cuda.is_initialized():
        raise ConfigError(f"CUDA_VISIBLE_DEVICES is {indices}, but CUDA is in use already; restart the kernel first")
    os.environ["CUDA_VISIBLE_DEVICES"] = indices

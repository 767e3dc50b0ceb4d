"""A style-based GAN on a folder of faces: train it while watching, then sample, mix and export.

from sgan import TrainConfig, load_generator, train
"""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sgan.config import ConfigError, HParams, ModelConfig, TrainConfig
    from sgan.events import Control
    from sgan.faces.sampling import draw_images, seeds_to_ws
    from sgan.launch.run import run_training
    from sgan.launch.run import run_training as train
    from sgan.presets import PRESETS
    from sgan.training.state import TrainState
    from sgan.weights.checkpoint import load_generator
    from sgan.weights.files import CheckpointError

_HOMES = {
    "PRESETS": "presets",
    "ConfigError": "config",
    "HParams": "config",
    "ModelConfig": "config",
    "TrainConfig": "config",
    "Control": "events",
    "run_training": "launch.run",
    "train": "launch.run",
    "draw_images": "faces.sampling",
    "seeds_to_ws": "faces.sampling",
    "CheckpointError": "weights.files",
    "TrainState": "training.state",
    "load_generator": "weights.checkpoint",
}
__all__ = [
    "PRESETS",
    "CheckpointError",
    "ConfigError",
    "Control",
    "HParams",
    "ModelConfig",
    "TrainConfig",
    "TrainState",
    "draw_images",
    "load_generator",
    "run_training",
    "seeds_to_ws",
    "train",
]


def __getattr__(name: str):
    """Public names, imported when first used: `import sgan` alone does not wait for torch."""
    if name not in _HOMES:
        raise AttributeError(f"module 'sgan' has no attribute {name!r}")
    import importlib

    home = importlib.import_module(f"sgan.{_HOMES[name]}")
    return getattr(home, "run_training" if name == "train" else name)  # train(config) is the short name

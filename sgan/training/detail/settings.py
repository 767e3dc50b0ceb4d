"""The settings of the detail network's training, each declared once with range and help. Loads no PyTorch."""

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from typing import Any

from sgan.config import ConfigError, check_ranges, setting


@dataclass(frozen=True)
class DetailHParams:
    """What may change while it trains; every change is journalled."""

    learning_rate: float = setting(0.002, "learning rate of both networks", min=0, max=1, log=True)
    l1_weight: float = setting(1.0, "weight of the mean absolute difference to the large picture", min=0, max=1000)
    feature_weight: float = setting(
        0.0, "weight of the distance of EfficientNet's features (the extra judge); 0: none", min=0, max=1000
    )
    adversarial_weight: float = setting(
        0.0, "weight of the discriminator's verdict; 0: none is trained", min=0, max=100
    )
    matching_weight: float = setting(0.0, "weight of the difference of the discriminator's features", min=0, max=1000)
    r1_gamma: float = setting(1.0, "weight of the R1 penalty", min=0, max=10_000, log=True)
    d_reg_interval: int = setting(16, "iterations between two R1 penalties (lazy regularisation)", min=1, max=1024)
    ema_kimg: float = setting(10.0, "half-life of the moving average, in thousand crops", min=0, max=1000)
    ema_rampup: float = setting(0.05, "half-life as a share of the crops seen, while that is less", min=0, max=1)
    n_show_loss: int = setting(50, "iterations between two points of the loss plot", min=1, max=1_000_000)
    n_show_grid: int = setting(2500, "iterations between two sheets", min=1, max=1_000_000)

    def __post_init__(self):
        check_ranges(self)

    def changed(self, patch: Mapping[str, Any]) -> "DetailHParams":
        """A copy with the patch applied; ConfigError for an unknown name or a value out of range."""
        unknown = sorted(set(patch) - {f.name for f in fields(DetailHParams)})
        if unknown:
            raise ConfigError(f"{unknown[0]} cannot change during a training")
        return replace(self, **patch)


@dataclass(frozen=True)
class DetailConfig(DetailHParams):
    """Everything that a training of the detail network is told."""

    channels: int = setting(32, "feature maps at the small picture's size; twice as many at half of it", min=4, max=512)
    last_channels: int = setting(32, "feature maps at twice the size", min=3, max=512)
    deep_blocks: int = setting(3, "residual blocks at half of the size", min=1, max=32)
    image_folder_path: str = setting("", "folder of sharp pictures of 512 pixels or more, or a zip of one")
    save_folder_path: str = setting("checkpoints/detail", "folder for states, sheets, plots and logs")
    device: str = setting("auto", "auto, cpu, cuda, cuda:N or mps")
    precision: str = setting("auto", "number format of the feature maps", choices=("auto", "fp32", "bf16"))
    crop: int = setting(64, "side of the small crops that are trained on", min=16, max=512)
    mini_batch_size: int = setting(8, "crops per step", min=1, max=65536)
    n_sample_total: int = setting(10_000_000, "crops for the whole training", min=0)
    balance: float = setting(0.5, "0: every image equally often; 1: every sub-folder equally often", min=0, max=1)
    seed: int = setting(0, "seed of the networks and of the crops", min=0, max=2**31 - 1)
    save_every: int = setting(100_000, "crops between two saved states", min=1)
    save_minutes: float = setting(10.0, "minutes after which a state is saved all the same; 0: only by crops", min=0)

    def __post_init__(self):
        super().__post_init__()
        if self.crop % 16:
            raise ConfigError(f"crop is {self.crop}; it must be a multiple of 16")

    @property
    def hparams(self) -> DetailHParams:
        """The live half, as it stands at the start."""
        return DetailHParams(**{f.name: getattr(self, f.name) for f in fields(DetailHParams)})

    def build(self) -> dict[str, Any]:
        """What a DetailNetwork is built from."""
        return {"channels": self.channels, "deep_blocks": self.deep_blocks, "last_channels": self.last_channels}

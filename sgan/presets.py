"""Sizes and schedules of a training that go together, by name."""

from typing import Any


class Preset(dict):
    """Settings by name, as `TrainConfig(**preset)` takes them; its title for a button, and what it is for."""

    def __init__(self, title: str, help: str, **values: Any):
        super().__init__(values)
        self.title, self.help = title, help


PRESETS = {
    "cpu": Preset(
        "CPU, 64 pixels", "some hours without a GPU", max_step=4, channel_base=2048, channel_max=96,
        dim_latent=128, n_fc=4, mini_batch_size=16, n_sample=30_000, n_sample_total=300_000,
    ),
    "gpu": Preset(
        "one GPU, 256 pixels", "an evening on one GPU", max_step=6, channel_base=16384, channel_max=512,
        mini_batch_size=32, batch_size={4: 256, 8: 256, 16: 128, 32: 64}, n_sample=300_000, n_sample_total=5_000_000,
    ),
    "celeba1024": Preset(
        "CelebA, 1024 pixels", "CelebA at full size: days on several GPUs", max_step=8, channel_base=32768,
        channel_max=512, mini_batch_size=16, batch_size={4: 256, 8: 256, 16: 128, 32: 64, 64: 32}, n_sample=600_000,
        n_sample_total=12_000_000,
    ),
}  # fmt: skip

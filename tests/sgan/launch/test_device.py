"""Devices and number formats by name."""

import torch

from sgan.config import TrainConfig
from sgan.launch.device import resolve_device, resolve_precision
from sgan.training.state import TrainState


def test_device_is_where_the_networks_lie():
    assert resolve_device("cpu").type == "cpu"
    state = TrainState.create(TrainConfig(max_step=1, n_fc=1, dim_latent=8, channel_base=64), "cpu")
    assert {p.device.type for net in state.networks().values() for p in net.parameters()} == {"cpu"}


def test_precision_names_a_format():
    formats = {name: resolve_precision(name, torch.device("cpu")) for name in ("fp32", "bf16", "fp16")}
    assert formats == {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}

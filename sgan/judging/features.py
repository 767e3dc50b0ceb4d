"""Features of a fixed random network: distances between pictures that need no trained weights and never change.

Naeem et al. 2020 (arXiv 2002.09797, section 4) judge generators by randomly initialised networks too, which do not
depend on what ImageNet holds.
"""

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

NETWORK_SEED = 2002_09797
SIDE = 64  # pixels that the network sees; larger pictures are averaged, smaller ones enlarged
WIDTHS = (32, 64, 128, 256)  # feature maps of its four layers; each halves the side, so that 4 x 4 are left
N_FEATURES = 512
SLOPE = 0.2
BATCH = 64
DESCRIPTION = (
    f"random network: {SIDE} x {SIDE} RGB in [-1, 1]; 3x3 filters to {', '.join(map(str, WIDTHS))} maps, each with "
    f"leaky ReLU ({SLOPE}) and 2x2 mean; 4 x 4 x {WIDTHS[-1]} projected to {N_FEATURES}; weights N(0, gain^2 / fan-in) "
    f"drawn in that order by numpy's RandomState({NETWORK_SEED}); no biases; each feature in units of its standard "
    "deviation over the real images"
)


class RandomNetwork(nn.Module):
    """float [N, 3, H, W] in [-1, 1] -> features [N, N_FEATURES] float32; the same weights on every machine."""

    def __init__(self):
        super().__init__()
        random = np.random.RandomState(NETWORK_SEED)
        gain = np.sqrt(2 / (1 + SLOPE**2))
        self.kernels = nn.ParameterList()
        for maps_in, maps_out in zip((3, *WIDTHS), WIDTHS, strict=False):
            self.kernels.append(_draw(random, (maps_out, maps_in, 3, 3), gain))
        self.projection = _draw(random, (N_FEATURES, WIDTHS[-1] * 16), 1.0)

    @torch.no_grad()
    def forward(self, images: Tensor) -> Tensor:
        x = resize_square(images, SIDE)
        for kernel in self.kernels:
            x = F.avg_pool2d(F.leaky_relu(F.conv2d(x, kernel, padding=1), SLOPE), 2)
        return x.flatten(1) @ self.projection.T


def _draw(random: np.random.RandomState, shape: tuple[int, ...], gain: float) -> nn.Parameter:
    weights = random.standard_normal(shape) * gain / np.sqrt(np.prod(shape[1:]))
    return nn.Parameter(torch.from_numpy(weights).float(), requires_grad=False)


def resize_square(images: Tensor, side: int) -> Tensor:
    """float [N, C, H, H] -> [N, C, side, side]: averaged areas where it shrinks, bilinear where it grows."""
    if images.shape[-1] >= side:
        return F.interpolate(images, size=side, mode="area")
    return F.interpolate(images, size=side, mode="bilinear", align_corners=False)


def to_tensor(pictures: np.ndarray, device: torch.device | str = "cpu") -> Tensor:
    """uint8 [N, H, W, 3] RGB -> float32 [N, 3, H, W] in [-1, 1]."""
    return torch.from_numpy(np.array(pictures)).to(device).permute(0, 3, 1, 2).float() / 127.5 - 1


def picture_features(pictures: np.ndarray, device: torch.device | str = "cpu", mirrored: bool = False) -> Tensor:
    """Features [N, N_FEATURES] float32, on the CPU, of uint8 pictures [N, H, W, 3] (or of their mirror images)."""
    network = RandomNetwork().to(device)
    rows = []
    for start in range(0, len(pictures), BATCH):
        batch = pictures[start : start + BATCH]
        rows.append(network(to_tensor(batch[:, :, ::-1] if mirrored else batch, device)).cpu())
    return torch.cat(rows)

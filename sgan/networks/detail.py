"""The detail network, 128 -> 512 pixels, and the discriminator that judges crops of its pictures.

Both are convolutional throughout: a crop's result is the crop of the result, away from the border.
"""

import math

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from sgan.config import DETAIL_SCALE as SCALE
from sgan.networks.gains import LRELU_GAIN, LRELU_SLOPE
from sgan.networks.ops import EqualizedConv2d
from sgan.viz import to_uint8

NOISE_SIDE, NOISE_SEED = 64, 128_512  # small pixels after which the fixed noise repeats
DETAIL_GAIN = 10.0  # detail is a tenth of what pictures are, and D is to see it as well as them
BLOCKS_BEFORE, BLOCKS_AFTER = 1, 2  # residual blocks at the small picture's size


def enlarge(img: Tensor) -> Tensor:
    """img [N, 3, H, W] -> [N, 3, 4H, 4W] by bicubic interpolation, float32: what the detail is added to.

    PyTorch's own does the same, several times slower: here each of the 16 pixels that a pixel becomes is a filter.
    """
    n, c, h, w = img.shape
    padded = F.pad(img.float(), (2, 2, 2, 2), mode="replicate").reshape(n * c, 1, h + 4, w + 4)
    kernel = torch.einsum("ay,bx->abyx", *[_cubic_taps(img.device)] * 2).reshape(SCALE**2, 1, 5, 5)
    return F.pixel_shuffle(F.conv2d(padded, kernel), SCALE).reshape(n, c, SCALE * h, SCALE * w)


def _cubic_taps(device: torch.device) -> Tensor:
    """The weights [4, 5] of five neighbours in each of the four pixels that one becomes (Keys 1981, a = -3/4)."""
    centres = (torch.arange(SCALE, device=device) + 0.5) / SCALE - 0.5
    t = (centres[:, None] - torch.arange(-2, 3, device=device)).abs()
    near, far = (1.25 * t - 2.25) * t * t + 1, ((-0.75 * t + 3.75) * t - 6) * t + 3
    return torch.where(t <= 1, near, torch.where(t < 2, far, torch.zeros_like(t)))


def to_channels(x: Tensor, factor: int) -> Tensor:
    """x [N, C, H, W] -> [N, factor^2 C, H / factor, W / factor]: every square of pixels becomes channels (row, column,
    C). In channels_last memory this moves runs of C numbers, several times faster than F.pixel_unshuffle."""
    n, c, h, w = x.shape
    squares = x.permute(0, 2, 3, 1).reshape(n, h // factor, factor, w // factor, factor, c).transpose(2, 3)
    return squares.reshape(n, h // factor, w // factor, factor * factor * c).permute(0, 3, 1, 2)


def to_pixels(x: Tensor, factor: int) -> Tensor:
    """The inverse of `to_channels` (arXiv 1609.05158, with the channels' order changed)."""
    n, c, h, w = x.shape
    squares = x.permute(0, 2, 3, 1).reshape(n, h, w, factor, factor, c // factor**2).transpose(2, 3)
    return squares.reshape(n, factor * h, factor * w, c // factor**2).permute(0, 3, 1, 2)


class ResidualBlock(nn.Module):
    """x + gain * conv(activation(conv(x))): two 3x3 convolutions at one size."""

    def __init__(self, channels: int, gain: float):
        super().__init__()
        self.conv0 = EqualizedConv2d(channels, channels, 3)
        self.conv1 = EqualizedConv2d(channels, channels, 3, gain=gain)

    def forward(self, x: Tensor) -> Tensor:
        """x [N, C, H, W] -> [N, C, H, W]."""
        return x + self.conv1(F.leaky_relu_(self.conv0(x, LRELU_GAIN), LRELU_SLOPE))


class DetailNetwork(nn.Module):
    """Pictures -> pictures of four times the side: the enlarged picture plus what it lacks.

    Residual blocks at the picture's own size, and between them at half of it with twice the channels, where a block
    sees twice as far for the same price; then two pixel shuffles (arXiv 1609.05158). The last convolution starts at
    zero, so that an untrained network only enlarges. Fixed noise, always the same at the same place, is what grain and
    pores are made of: from an even surface a convolution can only make an even pattern.
    """

    def __init__(self, channels: int = 32, deep_blocks: int = 3, last_channels: int = 32):
        super().__init__()
        self.built = {"channels": channels, "deep_blocks": deep_blocks, "last_channels": last_channels}
        gain = 1 / math.sqrt(BLOCKS_BEFORE + deep_blocks + BLOCKS_AFTER)  # the residuals' sum starts as one of them
        self.head = EqualizedConv2d(3, channels, 3)
        self.before = nn.Sequential(*(ResidualBlock(channels, gain) for _ in range(BLOCKS_BEFORE)))
        self.down = EqualizedConv2d(4 * channels, 2 * channels, 1)
        self.deep = nn.Sequential(*(ResidualBlock(2 * channels, gain) for _ in range(deep_blocks)))
        self.up = EqualizedConv2d(2 * channels, 4 * channels, 1)
        self.noise = EqualizedConv2d(SCALE**2, channels, 1, bias=False)
        self.after = nn.Sequential(*(ResidualBlock(channels, gain) for _ in range(BLOCKS_AFTER)))
        self.grow0 = EqualizedConv2d(channels, 4 * last_channels, 3)
        self.grow1 = EqualizedConv2d(last_channels, 4 * 3, 3)
        for conv in (self.noise, self.grow1):
            nn.init.zeros_(conv.weight)
        noise = np.random.RandomState(NOISE_SEED).randn(1, SCALE**2, NOISE_SIDE, NOISE_SIDE)
        self.register_buffer("noise_tile", torch.from_numpy(noise).float(), persistent=False)

    def forward(self, img: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """img [N, 3, H, W] in [-1, 1] -> [N, 3, 4H, 4W] float32; dtype is that of the feature maps."""
        return enlarge(img) + self.detail(img, dtype)

    def detail(self, img: Tensor, dtype: torch.dtype = torch.float32) -> Tensor:
        """What is added to the enlarged picture, [N, 3, 4H, 4W] float32."""
        h, w = img.shape[2:]
        even = F.pad(img, (0, w % 2, 0, h % 2), mode="replicate") if h % 2 or w % 2 else img
        x = self.before(self.head(even.to(dtype, memory_format=torch.channels_last)))
        y = self.up(self.deep(self.down(to_channels(x, 2))))
        x = self.after(x + to_pixels(y, 2) + self.noise(self._noise_for(x)))
        x = to_pixels(F.leaky_relu_(self.grow0(x, LRELU_GAIN), LRELU_SLOPE), 2)
        return to_pixels(self.grow1(x), 2)[:, :, : SCALE * h, : SCALE * w].float()

    def _noise_for(self, x: Tensor) -> Tensor:
        """The noise [1, 16, H, W] of feature maps x [N, C, H, W], one value for each pixel that is to come."""
        h, w = x.shape[2:]
        tiles = self.noise_tile.tile(1, 1, -(-h // NOISE_SIDE), -(-w // NOISE_SIDE))
        return tiles[:, :, :h, :w].to(x.dtype, memory_format=torch.channels_last)


def to_float(pictures: np.ndarray, device: torch.device) -> Tensor:
    """uint8 [N, 3, H, W] -> float32 in [-1, 1]."""
    return torch.from_numpy(np.ascontiguousarray(pictures)).to(device, torch.float32) / 127.5 - 1


@torch.no_grad()
def add_detail(network: DetailNetwork, pictures: np.ndarray) -> np.ndarray:
    """uint8 [N, H, W, 3] RGB -> uint8 [N, 4H, 4W, 3], one by one: a picture must not depend on its neighbours."""
    device = network.head.weight.device
    made = [to_uint8(network(to_float(picture[None], device))) for picture in pictures.transpose(0, 3, 1, 2)]
    return np.concatenate(made)


class CropDiscriminator(nn.Module):
    """The detail of crops, and the small pictures that it belongs to -> a map of logits, each about 100 x 100 pixels'.

    Given the small picture too it judges whether the detail fits, not what is shown (arXiv 1611.07004, section 3). It
    looks at squares of 4 x 4 pixels at once: its work is done at the small picture's size.
    """

    WIDTHS = (64, 64, 64)

    def __init__(self):
        super().__init__()
        before = (3 * (SCALE**2 + 1), *self.WIDTHS)
        self.convs = nn.ModuleList(EqualizedConv2d(a, b, 3) for a, b in zip(before, self.WIDTHS))
        self.out = EqualizedConv2d(self.WIDTHS[-1], 1, 3)

    def forward(self, detail: Tensor, small: Tensor, dtype: torch.dtype = torch.float32) -> tuple[Tensor, list[Tensor]]:
        """detail [N, 3, 4H, 4W], a picture less its enlarged small one, and small [N, 3, H, W], H and W multiples of 4
        -> (logits [N, 1, H/4, W/4] float32, feature maps)."""
        squares = to_channels((detail * DETAIL_GAIN).to(dtype, memory_format=torch.channels_last), SCALE)
        x, features = torch.cat([squares, small.to(dtype)], dim=1), []
        for i, conv in enumerate(self.convs):
            x = F.avg_pool2d(x, 2) if i else x
            x = F.leaky_relu_(conv(x, LRELU_GAIN), LRELU_SLOPE)
            features.append(x)
        return self.out(x).float(), features

"""EfficientNet-lite0 up to its last block: features of a network that knows the world's pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

BATCH_NORM_EPS = 1e-3
BLOCKS = (
    (1, 3, 1, 32, 16),
    (6, 3, 2, 16, 24),
    (6, 3, 1, 24, 24),
    (6, 5, 2, 24, 40),
    (6, 5, 1, 40, 40),
    (6, 3, 2, 40, 80),
    (6, 3, 1, 80, 80),
    (6, 3, 1, 80, 80),
    (6, 5, 1, 80, 112),
    (6, 5, 1, 112, 112),
    (6, 5, 1, 112, 112),
    (6, 5, 2, 112, 192),
    (6, 5, 1, 192, 192),
    (6, 5, 1, 192, 192),
    (6, 5, 1, 192, 192),
    (6, 3, 1, 192, 320),
)  # fmt: skip - of each block: expansion, kernel, stride, channels in, channels out
LEVELS = {2: 0, 4: 2, 8: 4, 16: 10, 32: 15}  # stride: the last block at it


class SameConv2d(nn.Conv2d):
    """A convolution without bias that pads as TensorFlow does: with stride 2 one pixel less before than after."""

    def forward(self, x: Tensor) -> Tensor:
        """x [N, I, H, W] -> [N, O, ceil(H / stride), ceil(W / stride)]."""
        kernel, stride = self.kernel_size[0], self.stride[0]
        h, w = (max((-(-side // stride) - 1) * stride + kernel - side, 0) for side in x.shape[2:])
        x = F.pad(x, (w // 2, w - w // 2, h // 2, h - h // 2))
        return F.conv2d(x, self.weight, self.bias, self.stride, groups=self.groups)


def _conv(channels: int, out: int, kernel: int, stride: int, groups: int, activation: bool) -> nn.Sequential:
    """Convolution, batch normalisation and, if asked for, ReLU6."""
    parts = [SameConv2d(channels, out, kernel, stride, groups=groups, bias=False), nn.BatchNorm2d(out, BATCH_NORM_EPS)]
    return nn.Sequential(*parts, *([nn.ReLU6()] if activation else []))


class InvertedBottleneck(nn.Module):
    """Expand, filter each channel, project; added to its input where the shapes agree (arXiv 1801.04381)."""

    def __init__(self, expansion: int, kernel: int, stride: int, channels: int, out: int):
        super().__init__()
        wide = expansion * channels
        self.expand = _conv(channels, wide, 1, 1, 1, True) if expansion > 1 else nn.Identity()
        self.depthwise = _conv(wide, wide, kernel, stride, wide, True)
        self.project = _conv(wide, out, 1, 1, 1, False)
        self.adds = stride == 1 and channels == out

    def forward(self, x: Tensor) -> Tensor:
        """x [N, channels, H, W] -> [N, out, H / stride, W / stride]."""
        y = self.project(self.depthwise(self.expand(x)))
        return x + y if self.adds else y


class EfficientNetLite0(nn.Module):
    """Pictures -> features at strides 2 to 32 (github.com/tensorflow/tpu, efficientnet/lite); never trained here.

    Weights come from elsewhere, by the names of `from_public`.
    """

    def __init__(self):
        super().__init__()
        self.stem = _conv(3, 32, 3, 2, 1, True)
        self.blocks = nn.ModuleList(InvertedBottleneck(*shape) for shape in BLOCKS)
        self.eval().requires_grad_(False).to(memory_format=torch.channels_last)

    def forward(self, img: Tensor, strides: tuple[int, ...] = tuple(LEVELS)) -> list[Tensor]:
        """img [N, 3, H, W] in [-1, 1], float32 or the dtype of the weights -> one map [N, C, H/s, W/s] per stride."""
        last = max(LEVELS[stride] for stride in strides)
        wanted = {LEVELS[stride] for stride in strides}
        x, maps = self.stem(img.to(self.stem[0].weight.dtype, memory_format=torch.channels_last)), []
        for i, block in enumerate(self.blocks[: last + 1]):
            x = block(x)
            if i in wanted:
                maps.append(x)
        return maps

    def load_public(self, tensors: dict[str, Tensor]) -> None:
        """Takes the weights of a public file (`_conv_stem.weight`, `_blocks.0._bn1.bias`, ...)."""
        self._take(self.stem, tensors, "_conv_stem", "_bn0")
        for i, block in enumerate(self.blocks):
            first = 0 if isinstance(block.expand, nn.Identity) else 1
            if first:
                self._take(block.expand, tensors, f"_blocks.{i}._expand_conv", f"_blocks.{i}._bn0")
            self._take(block.depthwise, tensors, f"_blocks.{i}._depthwise_conv", f"_blocks.{i}._bn1")
            self._take(block.project, tensors, f"_blocks.{i}._project_conv", f"_blocks.{i}._bn2")

    @staticmethod
    def _take(part: nn.Sequential, tensors: dict[str, Tensor], conv: str, norm: str) -> None:
        """Fills a convolution and its normalisation."""
        part[0].weight.data.copy_(tensors[f"{conv}.weight"])
        part[1].load_state_dict({key: tensors[f"{norm}.{key}"] for key in part[1].state_dict()})


def feature_distance(
    network: EfficientNetLite0, a: Tensor, b: Tensor, strides: tuple[int, ...] = tuple(LEVELS)
) -> Tensor:
    """Distances [N] of pictures [N, 3, H, W] in [-1, 1]: squared, between unit feature vectors, the mean over places
    and levels (arXiv 1801.03924, equation 1, with equal weights)."""
    levels = zip(network(a, strides), network(b, strides))
    squares = [(F.normalize(m.float(), dim=1) - F.normalize(n.float(), dim=1)).square().sum(dim=1) for m, n in levels]
    return torch.stack([square.mean(dim=(1, 2)) for square in squares]).mean(dim=0)

"""Adaptive discriminator augmentation: transforms of what D sees, and the controller of their probability p.

arXiv 2006.06676. The same differentiable pipe stands before D for real and generated images, so that G learns the clean
distribution as long as p stays below about 0.8. Three groups: pixel blits, geometry, colour, each transform applied
with probability p per image (the probabilities and strengths of appendix B, table 5).
"""

import math

import torch
import torch.nn.functional as F
from torch import Tensor

ADA_INTERVAL = 4  # iterations between two adjustments of p (section 3.1)
SCALE_STD = 0.2  # log2 of the scales, isotropic and anisotropic (appendix B)
SHIFT_STD = 0.125  # fractional translation, in widths
BLIT_SHIFT_MAX = 0.125  # integer translation, in widths
BRIGHTNESS_STD = 0.2
CONTRAST_STD = 0.5  # log2
SATURATION_STD = 1.0  # log2


def update_ada_p(p: float, real_sign: float, target: float, n_images: int, ada_kimg: float) -> float:
    """p in [0, 1] moved by n_images / (1000 * ada_kimg) towards where D's sign on reals meets the target.

    real_sign is the mean of sign(D(real)) (equation 1, r_t): above the target D overfits and p grows.
    """
    step = n_images / (1000.0 * ada_kimg) * (1 if real_sign > target else -1 if real_sign < target else 0)
    return min(max(p + step, 0.0), 1.0)


def augment(img: Tensor, p: float) -> Tensor:
    """img [N, 3, R, R] in [-1, 1] with every transform applied with probability p; p = 0 returns img itself.

    Differentiable once in img. Random numbers come from torch's global generator of img's device.
    """
    if p <= 0:
        return img
    n, device = len(img), img.device
    img = _warp(img, _geometry(n, img.shape[-1], p, device))
    matrix, offset = _colour(n, p, device)
    return torch.einsum("nij,njhw->nihw", matrix, img) + offset[:, :, None, None]


def _pick(n: int, p: float, device: torch.device) -> Tensor:
    """bool [n], True with probability p."""
    return torch.rand(n, device=device) < p


def _choose(picked: Tensor, value: Tensor, neutral: float) -> Tensor:
    return torch.where(picked, value, torch.full_like(value, neutral))


def _matrices(
    n: int, device: torch.device, a: Tensor, b: Tensor, c: Tensor, d: Tensor, tx: Tensor, ty: Tensor
) -> Tensor:
    """[n, 3, 3] of [[a, b, tx], [c, d, ty], [0, 0, 1]]; every entry [n]."""
    zero, one = torch.zeros(n, device=device), torch.ones(n, device=device)
    rows = [a, b, tx, c, d, ty, zero, zero, one]
    return torch.stack([row.expand(n) for row in rows], dim=1).reshape(n, 3, 3)


def _rotation(n: int, device: torch.device, angle: Tensor) -> Tensor:
    zero = torch.zeros(n, device=device)
    return _matrices(n, device, angle.cos(), -angle.sin(), angle.sin(), angle.cos(), zero, zero)


def _scaling(n: int, device: torch.device, sx: Tensor, sy: Tensor) -> Tensor:
    zero = torch.zeros(n, device=device)
    return _matrices(n, device, sx, zero, zero, sy, zero, zero)


def _translation(n: int, device: torch.device, tx: Tensor, ty: Tensor) -> Tensor:
    zero, one = torch.zeros(n, device=device), torch.ones(n, device=device)
    return _matrices(n, device, one, zero, zero, one, tx, ty)


def _geometry(n: int, width: int, p: float, device: torch.device) -> Tensor:
    """[n, 3, 3] from output to input positions in [-1, 1]: blits, then scale, rotation, stretch, rotation, shift."""

    def uniform(low: float, high: float) -> Tensor:
        return torch.empty(n, device=device).uniform_(low, high)

    flip = _choose(_pick(n, p, device), torch.randint(0, 2, (n,), device=device) * 2.0 - 1, 1.0)
    matrix = _scaling(n, device, flip, torch.ones_like(flip))
    quarter = _choose(_pick(n, p, device), torch.randint(0, 4, (n,), device=device) * (math.pi / 2), 0.0)
    matrix = matrix @ _rotation(n, device, quarter)
    picked = _pick(n, p, device)
    pixels = [(uniform(-1, 1) * BLIT_SHIFT_MAX * width).round() * 2 / width for _ in range(2)]
    matrix = matrix @ _translation(n, device, *(_choose(picked, shift, 0.0) for shift in pixels))

    scale = _choose(_pick(n, p, device), torch.exp2(torch.randn(n, device=device) * SCALE_STD), 1.0)
    matrix = matrix @ _scaling(n, device, scale, scale)
    p_rotation = 1 - math.sqrt(1 - p)  # two rotations, so that at least one happens with probability p
    angle = _choose(_pick(n, p_rotation, device), uniform(-math.pi, math.pi), 0.0)
    matrix = matrix @ _rotation(n, device, angle)
    stretch = _choose(_pick(n, p, device), torch.exp2(torch.randn(n, device=device) * SCALE_STD), 1.0)
    matrix = matrix @ _scaling(n, device, stretch, 1 / stretch)
    angle = _choose(_pick(n, p_rotation, device), uniform(-math.pi, math.pi), 0.0)
    matrix = matrix @ _rotation(n, device, angle)
    picked = _pick(n, p, device)
    shifts = [torch.randn(n, device=device) * SHIFT_STD * 2 for _ in range(2)]
    return matrix @ _translation(n, device, *(_choose(picked, shift, 0.0) for shift in shifts))


def _warp(img: Tensor, matrix: Tensor) -> Tensor:
    """img sampled bilinearly at matrix * position; what lies outside is mirrored."""
    grid = F.affine_grid(matrix[:, :2], list(img.shape), align_corners=False)
    return F.grid_sample(img, grid, mode="bilinear", padding_mode="reflection", align_corners=False)


def _colour(n: int, p: float, device: torch.device) -> tuple[Tensor, Tensor]:
    """(matrix [n, 3, 3], offset [n, 3]) on RGB: brightness, contrast, luma flip, hue rotation, saturation."""
    identity = torch.eye(3, device=device).expand(n, 3, 3)
    luma = torch.full((3,), 1 / math.sqrt(3), device=device)  # the grey axis
    along = torch.outer(luma, luma)

    brightness = _choose(_pick(n, p, device), torch.randn(n, device=device) * BRIGHTNESS_STD, 0.0)
    contrast = _choose(_pick(n, p, device), torch.exp2(torch.randn(n, device=device) * CONTRAST_STD), 1.0)
    flip = _choose(_pick(n, p, device), torch.randint(0, 2, (n,), device=device).float(), 0.0)
    hue = _choose(_pick(n, p, device), torch.empty(n, device=device).uniform_(-math.pi, math.pi), 0.0)
    saturation = _choose(_pick(n, p, device), torch.exp2(torch.randn(n, device=device) * SATURATION_STD), 1.0)

    def column(value: Tensor) -> Tensor:
        return value[:, None, None]

    matrix = (identity - 2 * along * column(flip)) @ (identity * column(contrast))
    offset = (brightness * contrast)[:, None].expand(n, 3)
    offset = torch.einsum("nij,nj->ni", identity - 2 * along * column(flip), offset)
    cross = torch.zeros(3, 3, device=device)
    cross[0, 1], cross[0, 2], cross[1, 2] = -luma[2], luma[1], -luma[0]
    cross = cross - cross.t()  # Rodrigues' rotation about the grey axis
    turn = identity * column(hue.cos()) + cross * column(hue.sin()) + along * column(1 - hue.cos())
    saturate = along + (identity - along) * column(saturation)
    matrix, offset = turn @ matrix, torch.einsum("nij,nj->ni", turn, offset)
    return saturate @ matrix, torch.einsum("nij,nj->ni", saturate, offset)

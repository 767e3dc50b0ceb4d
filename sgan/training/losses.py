"""Adversarial losses and the gradient penalty: tensors in, one value per sample out."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor


def generator_loss(gen_logits: Tensor) -> Tensor:
    """-log(sigmoid(D(G(z)))) [N], the non-saturating loss (arXiv 1406.2661, section 3)."""
    return F.softplus(-gen_logits)


def real_loss(real_logits: Tensor) -> Tensor:
    """-log(sigmoid(D(x))) [N], the discriminator's loss on real images."""
    return F.softplus(-real_logits)


def fake_loss(gen_logits: Tensor) -> Tensor:
    """-log(1 - sigmoid(D(G(z)))) [N], the discriminator's loss on generated images."""
    return F.softplus(gen_logits)


def r1_penalty(real_img: Tensor, real_logits: Tensor, scale: Tensor | None = None) -> Tensor:
    """|grad_x D(x)|^2 [N] (arXiv 1801.04406, equation 9); the loss is this times gamma / 2.

    real_img [N, ...] must require grad and real_logits [N] come from it. The result can be differentiated again.
    `scale` (a scalar) multiplies the gradient on its way through the network and is divided out: float16 needs it.
    """
    gradient = _gradient(real_logits.sum(), real_img, scale)
    return gradient.square().flatten(1).sum(dim=1)


def path_lengths(img: Tensor, ws: Tensor, scale: Tensor | None = None, y: Tensor | None = None) -> Tensor:
    """|J_w^T y| [N] for random images y: how far the picture moves when its styles do (arXiv 1912.04958, equation 4).

    img [N, 3, H, W] must come from ws [N, L, w_dim], which must require grad. y is normal with variance 1 / (H W),
    made from standard normal `y` where that is given. The result can be differentiated again. `scale` is that of
    `r1_penalty`.
    """
    y = (torch.randn_like(img) if y is None else y) / math.sqrt(img.shape[2] * img.shape[3])
    gradient = _gradient((img * y).sum(), ws, scale)
    return gradient.square().sum(dim=2).mean(dim=1).sqrt()


def _gradient(of: Tensor, by: Tensor, scale: Tensor | None) -> Tensor:
    """The gradient of a scalar, float32, which can be differentiated again."""
    (gradient,) = torch.autograd.grad(of, by, grad_outputs=scale, create_graph=True)
    return gradient.float() if scale is None else gradient.float() / scale

"""Facts of the losses."""

import math

import torch

from sgan.training import losses


def test_losses_at_zero_are_log_two():
    zero = torch.zeros(3)
    for loss in (losses.generator_loss, losses.real_loss, losses.fake_loss):
        assert torch.allclose(loss(zero), torch.full((3,), math.log(2)))


def test_losses_equal_the_log_of_the_sigmoid():
    logits = torch.linspace(-5, 5, 11, dtype=torch.float64)
    assert torch.allclose(losses.generator_loss(logits), -torch.sigmoid(logits).log())
    assert torch.allclose(losses.real_loss(logits), -torch.sigmoid(logits).log())
    assert torch.allclose(losses.fake_loss(logits), -(1 - torch.sigmoid(logits)).log())


def test_r1_of_a_linear_discriminator_is_its_squared_norm():
    a = torch.randn(3 * 4 * 4)
    img = torch.randn(5, 3, 4, 4, requires_grad=True)
    penalty = losses.r1_penalty(img, img.flatten(1) @ a)
    assert torch.allclose(penalty, a.square().sum().expand(5), rtol=1e-5)


def test_r1_can_be_differentiated_again():
    a = torch.randn(12, dtype=torch.float64, requires_grad=True)
    img = torch.randn(2, 12, dtype=torch.float64, requires_grad=True)
    losses.r1_penalty(img, img @ a).sum().backward()
    # float32 inside the penalty bounds the agreement
    assert torch.allclose(a.grad, 2 * 2 * a.detach(), rtol=1e-5)


def test_path_length_of_a_linear_generator():
    """For img = A w the mean square of |A^T y| is the squared norm of A over the number of pixels."""
    torch.manual_seed(0)
    A = torch.randn(3 * 4 * 4, 5)
    ws = torch.randn(20000, 1, 5, requires_grad=True)
    lengths = losses.path_lengths((ws[:, 0] @ A.T).reshape(-1, 3, 4, 4), ws)
    assert lengths.shape == (20000,)
    assert torch.allclose(lengths.square().mean(), A.square().sum() / 16, rtol=0.03)

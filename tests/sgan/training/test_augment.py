"""Facts of the augmentation and its controller."""

import pytest
import torch

from sgan.training.augment import _colour, _geometry, augment, update_ada_p


def test_p_zero_changes_nothing():
    img = torch.randn(2, 3, 8, 8)
    assert augment(img, 0.0) is img


def test_p_is_the_share_of_changed_images():
    torch.manual_seed(0)
    img = torch.rand(1, 3, 16, 16).expand(2000, 3, 16, 16) * 2 - 1
    changed = (augment(img, 0.02) - img).abs().amax(dim=(1, 2, 3)) > 1e-3
    # 11 draws, of which the flip, the quarter turn and the luma flip change nothing in 1/2, 1/4 and 1/2 of cases
    expected = 1 - (1 - 0.02) ** 9 * (1 - 0.01) ** 2 * (1 - 0.015)
    assert changed.float().mean().item() == pytest.approx(expected, abs=0.03)


def test_neutral_geometry_and_colour_are_the_identity():
    eye = torch.eye(3).expand(4, 3, 3)
    assert torch.allclose(_geometry(4, 16, 0.0, torch.device("cpu")), eye)
    matrix, offset = _colour(4, 0.0, torch.device("cpu"))
    assert torch.allclose(matrix, eye, atol=1e-6) and torch.allclose(offset, torch.zeros(4, 3))


def test_identity_warp_keeps_every_pixel():
    img = torch.randn(2, 3, 8, 8)
    torch.manual_seed(0)
    assert torch.allclose(augment(img, 1e-9), img, atol=1e-5)


def test_hue_and_saturation_keep_grey():
    torch.manual_seed(1)
    matrix, offset = _colour(500, 1.0, torch.device("cpu"))
    grey = matrix @ torch.full((3, 1), 0.3)
    spread = (grey.squeeze(2) + offset).std(dim=1)
    assert spread.max() < 1e-4


def test_gradients_reach_the_image():
    torch.manual_seed(2)
    img = torch.randn(4, 3, 8, 8, requires_grad=True)
    augment(img, 0.8).square().sum().backward()
    assert img.grad.abs().sum(dim=(1, 2, 3)).min() > 0


def test_augmentation_is_differentiated_correctly():
    img = torch.randn(2, 3, 4, 4, dtype=torch.float64, requires_grad=True)

    def pipe(img):
        torch.manual_seed(5)
        matrix = _geometry(2, 4, 1.0, torch.device("cpu")).double()
        from sgan.training.augment import _warp

        return _warp(img, matrix)

    assert torch.autograd.gradcheck(pipe, (img,))


def test_the_controller_moves_towards_the_target():
    assert update_ada_p(0.1, real_sign=0.9, target=0.6, n_images=1000, ada_kimg=100) == pytest.approx(0.11)
    assert update_ada_p(0.1, real_sign=0.2, target=0.6, n_images=1000, ada_kimg=100) == pytest.approx(0.09)
    assert update_ada_p(0.1, real_sign=0.6, target=0.6, n_images=1000, ada_kimg=100) == pytest.approx(0.1)
    assert update_ada_p(0.0, real_sign=0.2, target=0.6, n_images=10**6, ada_kimg=1) == 0.0
    assert update_ada_p(1.0, real_sign=0.9, target=0.6, n_images=10**6, ada_kimg=1) == 1.0

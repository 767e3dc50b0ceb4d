"""Random numbers without PyTorch are PyTorch's."""

import numpy as np
import pytest
import torch

from sgan.faces.normals import TorchNormals


@pytest.mark.parametrize("seed", [0, 1, 42, 2**31, 2**32 - 1])
def test_random_numbers_are_pytorchs(seed):
    normals = TorchNormals(seed)
    torch.manual_seed(seed)
    for shape in ((4, 4), (8, 8), (3, 16), (128, 128), (4, 4)):
        assert np.allclose(normals(*shape), torch.randn(1, 1, *shape)[0, 0].numpy(), atol=1e-5)
    with pytest.raises(ValueError, match="groups of 16"):
        normals(3, 5)

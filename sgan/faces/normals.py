"""PyTorch's random numbers without PyTorch."""

import math

import numpy as np

GROUP = 16  # numbers that PyTorch makes together: eight uniform ones give the lengths, eight the angles


class TorchNormals:
    """Standard normal numbers as `torch.randn` draws them on a CPU after `torch.manual_seed(seed)`, float32.

    The same Mersenne Twister, of whose 32 bits the lower 24 count, and Box and Muller's method. PyTorch's logarithms
    and sines may differ in the last bits.
    """

    def __init__(self, seed: int):
        self.bits = np.random.RandomState(seed)

    def __call__(self, *shape: int) -> np.ndarray:
        """The next numbers. ValueError unless there are a multiple of 16, as in the noise of every layer."""
        size = math.prod(shape)
        if size % GROUP:
            raise ValueError(f"{size} numbers are not whole groups of {GROUP}")
        words = self.bits.randint(0, 2**32, size, np.uint32) & np.uint32(2**24 - 1)
        uniform = (words.astype(np.float32) * np.float32(2**-24)).reshape(-1, 2, GROUP // 2)
        length = np.sqrt(np.float32(-2) * np.log1p(-uniform[:, 0]))
        angle = np.float32(2 * math.pi) * uniform[:, 1]
        return np.concatenate([length * np.cos(angle), length * np.sin(angle)], axis=1).reshape(shape)

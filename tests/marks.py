"""A mark with all that is hard to keep, and a picture to put it into."""

import numpy as np

from provenance import GENERATED, Mark

MARK = Mark(
    GENERATED,
    {
        "checkpoint": "0f" * 32,
        "seed": 7,
        "psi": 0.7,
        "얼굴": "이 사람은 없습니다 😀",
        "quotes": '"double" \'single\' <tag attr="1"> & &amp; ]]> -->',
        "control": "\x00\x1f\x7f\x85\n\r\t\ud800\ufffe\u2028",
        "nested": {"list": [1, 2.5, None, True, {"deep": []}], "empty": {}},
    },
)


def draw(height: int = 40, width: int = 56, channels: int | None = 3) -> np.ndarray:
    """Return a random picture."""
    shape = (height, width) if channels is None else (height, width, channels)
    return np.random.default_rng(3).integers(0, 256, shape, dtype=np.uint8)

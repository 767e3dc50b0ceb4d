"""Puts a face onto photos, folders of photos, videos and the webcam's picture.

from faceswap import Swapper
result = Swapper("face.png").swap(image)  # uint8 [H, W, 3] RGB in and out
"""

__all__ = ["Options", "Swapper"]


def __getattr__(name: str):
    """Imports what is asked for only then: the commands start without it."""
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    from faceswap import swap

    return getattr(swap, name)

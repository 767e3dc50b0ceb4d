"""Puts a face onto photos, folders of photos, videos and the webcam's picture.

from faceswap import Swapper
result = Swapper("face.png").swap(image)  # uint8 [H, W, 3] RGB in and out
"""

from faceswap.swap import Options, Swapper

__all__ = ["Options", "Swapper"]

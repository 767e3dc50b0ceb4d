"""A walk from person to person as a video that says it is synthetic."""

import io
import struct
import uuid
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from provenance import Mark, to_xmp
from sgan.faces.drawer import Drawer, as_drawer
from sgan.faces.sampling import seeds_to_ws

if TYPE_CHECKING:
    from sgan.networks.generator import Generator

XMP_BOX = uuid.UUID("BE7ACFCB-97A9-42E8-9C71-999491E3AFAC")  # ISO 16684-3: the box of an MP4 that holds XMP


def walk_ws(G: "Drawer | Generator", seeds: Sequence[int], frames: int, truncation_psi: float = 1.0) -> np.ndarray:
    """ws [len(seeds) * frames, num_ws, w_dim]: from each seed's to the next and back to the first, without a jolt.

    A closed Catmull-Rom curve through w: frame i * frames is exactly seed i.
    """
    points = seeds_to_ws(as_drawer(G), seeds, truncation_psi)
    t = np.arange(frames, dtype=np.float32)[None, :, None, None] / np.float32(frames)
    before, start, end, after = (np.roll(points, shift, axis=0)[:, None] for shift in (1, 0, -1, -2))
    slope = (end - before) * t
    bend = (2 * before - 5 * start + 4 * end - after) * t**2
    twist = (3 * start - before - 3 * end + after) * t**3
    return (start + 0.5 * (slope + bend + twist)).reshape(-1, *points.shape[1:])


def encode_mp4(frames: Iterable[np.ndarray], mark: Mark, rate: int = 30) -> bytes:
    """An H.264 MP4 of uint8 [H, W, 3] RGB frames (H and W even) with the mark as XMP, which every browser plays."""
    import av

    buffer = io.BytesIO()
    with av.open(buffer, "w", format="mp4") as container:
        stream = container.add_stream("libx264", rate=rate, options={"crf": "18", "preset": "veryfast"})
        stream.pix_fmt = "yuv420p"
        for frame in frames:
            if not stream.codec_context.is_open:
                stream.height, stream.width = frame.shape[:2]
            container.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        container.mux(stream.encode())
    packet = to_xmp(mark)
    box = struct.pack(">I4s", 24 + len(packet), b"uuid") + XMP_BOX.bytes + packet
    return buffer.getvalue() + box

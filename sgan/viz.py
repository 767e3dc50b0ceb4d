"""Pictures of a training for people: sample grids and loss curves as uint8 RGB arrays. Draws without any window."""

import math
import os
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from PIL import Image

from sgan.config import default_cache_dir

if TYPE_CHECKING:
    from torch import Tensor

GRID_SIDE = 2048  # pixels: the longest side of a sheet of samples, whose cells are made smaller for it
SMALLEST_CELL = 16  # pixels: however many there are, faces stay visible


def to_levels(images: Any) -> Any:
    """Arrays or tensors in [-1, 1] -> grey levels 0 to 255, clipping what is outside; cut off the fraction to round."""
    return (images * 127.5 + 128).clip(0, 255)


def to_uint8(images: "Tensor") -> np.ndarray:
    """images float [N, 3, H, W] in [-1, 1] -> uint8 [N, H, W, 3] RGB; rounds, and clips what is outside."""
    return to_levels(images.detach().float()).permute(0, 2, 3, 1).byte().cpu().numpy()


def make_grid(images: np.ndarray, columns: int | None = None) -> np.ndarray:
    """images uint8 [N, H, W, 3] -> one uint8 picture, row by row (as square as possible when columns is None)."""
    n, h, w, c = images.shape
    columns = columns or math.ceil(math.sqrt(n))
    rows = math.ceil(n / columns)
    padded = np.full((rows * columns, h, w, c), 255, np.uint8)
    padded[:n] = images
    return padded.reshape(rows, columns, h, w, c).swapaxes(1, 2).reshape(rows * h, columns * w, c)


def resize(image: np.ndarray, side: int) -> np.ndarray:
    """uint8 [H, W, 3] -> uint8 [side, side, 3], by Lanczos with antialiasing."""
    return np.asarray(Image.fromarray(image).resize((side, side), Image.Resampling.LANCZOS))


def fit_cell(image: np.ndarray, count: int, columns: int | None = None) -> np.ndarray:
    """A square uint8 [R, R, 3] as it goes into a grid of `count`, made smaller where that would exceed GRID_SIDE."""
    columns = columns or math.ceil(math.sqrt(count))
    largest = max(GRID_SIDE // max(columns, math.ceil(count / columns)), SMALLEST_CELL)
    return image if len(image) <= largest else resize(image, largest)


MARK_LENGTH = 40  # characters that fit along the height of the losses
PANELS = (
    (("loss_d", "D"), ("loss_g", "G")),
    (("r1", "R1"),),
    (("real_sign", "sign of D, real"), ("fake_sign", "sign of D, generated"), ("ada_p", "augmentation p")),
)  # what is drawn together: (name in Stats, label)


def plot_losses(
    history: Sequence[Mapping[str, float]], marks: Sequence[tuple[float, str]] = (), log_scale: bool = False
) -> np.ndarray:
    """Loss curves over kimg as uint8 [H, W, 3] RGB.

    history: rows of Stats values with "kimg"; marks: (kimg, text) drawn as vertical lines, such as changes of a
    hyper-parameter. Changes of resolution are marked by themselves.
    """
    # Or it would keep its list of fonts elsewhere in the home folder:
    os.environ.setdefault("MPLCONFIGDIR", str(default_cache_dir() / "matplotlib"))
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 6), dpi=100, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    axes = figure.subplots(len(PANELS), 1, sharex=True, height_ratios=[2, 1, 1])
    for axis, curves in zip(axes, PANELS, strict=True):
        for name, label in curves:
            points = [(row["kimg"], row[name]) for row in history if name in row]  # R1 is not measured at every step
            at, values = zip(*points) if points else ((), ())
            axis.plot(at, values, label=label, linewidth=1, marker="." if len(points) < 30 else None)
        if log_scale and curves is not PANELS[2]:
            axis.set_yscale("log")
        for before, after in zip(history, history[1:], strict=False):
            if before.get("resolution") != after.get("resolution"):
                axis.axvline(after["kimg"], color="0.6", linestyle=":", linewidth=1)
        for at, _ in marks:
            axis.axvline(at, color="tab:red", linestyle="--", linewidth=0.8)
        axis.grid(alpha=0.25)
        axis.legend(loc="upper left", fontsize=8, framealpha=0.6)
    for at, text in marks:
        short = text if len(text) <= MARK_LENGTH else f"{text[: MARK_LENGTH - 3]}..."
        note = axes[0].annotate(
            short, (at, 1), xycoords=("data", "axes fraction"), fontsize=7, color="tab:red", rotation=90, va="top"
        )
        note.set_in_layout(False)  # or a long one would press the curves flat
    axes[-1].set_xlabel("thousand images (kimg)")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()

"""A folder to work the notebooks in, with copies of them, drawn pictures and a photo."""

import json
import os
import shutil
from pathlib import Path

import numpy as np
from PIL import Image

ROOT = Path(__file__).resolve().parent.parent
TINY = dict(
    max_step=1, step=1, channel_base=64, channel_max=8, dim_latent=8, n_fc=1, mini_batch_size=4, n_show_loss=5,
    n_show_grid=20, save_every=1_000_000,
)  # fmt: skip


def draw_pictures(folder: Path, count: int = 12, side: int = 16) -> Path:
    """Writes soft two-by-two colour fields as PNG files; returns the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(0)
    for i in range(count):
        colours = Image.fromarray(rng.integers(0, 255, (2, 2, 3), np.uint8))
        colours.resize((side, side), Image.Resampling.BICUBIC).save(folder / f"{i}.png")
    return folder


def photo() -> np.ndarray:
    """A portrait, uint8 [512, 512, 3] RGB."""
    from skimage.data import astronaut

    return astronaut()


def other_face() -> np.ndarray:
    """A face that differs from the photo's: mirrored, colours exchanged; uint8 [300, 300, 3] RGB."""
    return np.ascontiguousarray(photo()[:300, 90:390, ::-1][:, ::-1])


def make_desk(folder: Path) -> Path:
    """Fills the folder; its environment.yml makes the notebooks take it for the project's."""
    (folder / "environment.yml").touch()
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".ipynb_checkpoints"))
    draw_pictures(folder / "pictures")
    Image.fromarray(photo()).save(folder / "photo.png")
    Image.fromarray(other_face()).save(folder / "a face.png")
    return folder


def notebook_environment(folder: Path, **parameters) -> dict[str, str]:
    """Environment variables for a kernel that works there with these parameters."""
    return os.environ | {
        "PYTHONPATH": str(ROOT),
        "NOTEBOOK_PARAMETERS": json.dumps(parameters),
        "RANDOM_UNREAL_FACE_CACHE": str(folder / "cache"),
        "OMP_NUM_THREADS": "1",
        "IPYTHONDIR": str(folder / "jupyter"),
    }

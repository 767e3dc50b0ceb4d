"""A folder to work the notebooks in, with copies of them, drawn pictures and a photo; a browser and servers for it."""

import json
import os
import shutil
import time
import urllib.request
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CHROMIUM = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
CHROMIUM_ARGUMENTS = ["--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-dev-shm-usage"]
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
    shutil.copytree(ROOT / "notebooks", folder / "notebooks", ignore=shutil.ignore_patterns(".*"))
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


def answers(address: str) -> bool:
    """Whether a page is there."""
    try:
        return urllib.request.urlopen(address, timeout=5).status == 200
    except OSError:
        return False


def wait_for(condition: Callable[[], Any], seconds: float = 300) -> Any:
    """What `condition` returns once it is true; fails after that time."""
    end = time.monotonic() + seconds
    while True:
        value = condition()
        if value:
            return value
        assert time.monotonic() < end, f"not within {seconds} s: {condition}"
        time.sleep(0.1)


def changed_from(page, selector: str, old: str) -> str | None:
    """The address of a shown picture once it is another one."""
    new = page.locator(selector).first.get_attribute("src")
    return new if new and new != old else None


def snap(page, name: str, selector: str | None = None) -> None:
    """Keeps a picture of the page in the folder RUF_SCREENSHOTS, where that is set."""
    folder = os.environ.get("RUF_SCREENSHOTS")
    if folder:
        Path(folder).mkdir(parents=True, exist_ok=True)
        target = page.locator(selector).first if selector else page
        target.screenshot(path=str(Path(folder) / f"{name}.png"))

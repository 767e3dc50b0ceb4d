"""A run's folder: one training at a time in it, its newest state, what it says about itself, and room for a new run."""

import contextlib
import json
from pathlib import Path
from typing import Any

from provenance import remove_leftovers, write_bytes
from sgan.config import STATE_PATTERN, ConfigError, to_dict
from sgan.data.dataset import Dataset
from sgan.training.keeper import LOGS
from sgan.weights.files import BEST_NAME, GENERATOR_NAME

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None

LOCK_NAME = ".lock"


class Occupation:
    """Holds a run's folder for one training until it is released, goes away, or its process ends in any way.

    ConfigError when another training holds it: both would write the same states and logs. Where files cannot be locked
    (Windows, some network disks) nothing is held.
    """

    def __init__(self, run_dir: Path):
        run_dir.mkdir(parents=True, exist_ok=True)
        self.file = open(run_dir / LOCK_NAME, "wb")  # noqa: SIM115 - it stays open
        try:
            if fcntl:
                fcntl.flock(self.file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            self.release()
            raise ConfigError(
                f"another training is running in {run_dir}; stop that one, or choose another save_folder_path"
            ) from None
        except OSError:
            pass

    def release(self) -> None:
        """Lets others train there."""
        with contextlib.suppress(OSError):
            self.file.close()


def set_aside(run_dir: Path) -> Path | None:
    """Moves the files of an earlier run in this folder into `earlier-N`, so that starting anew loses nothing."""
    others = (*LOGS, "config.json", "generator.json", "losses.png", "tensorboard")
    patterns = (STATE_PATTERN, "grid-*.jpg", GENERATOR_NAME, BEST_NAME, *others)
    files = [path for pattern in patterns for path in sorted(run_dir.glob(pattern))]
    if not files:
        return None
    number = 1
    while (run_dir / f"earlier-{number}").exists():
        number += 1
    target = run_dir / f"earlier-{number}"
    target.mkdir()
    for path in files:
        path.rename(target / path.name)
    return target


def begin_run(run_dir: Path, config: Any, dataset: Dataset) -> None:
    """Removes what a killed run left; writes config.json, and bad_images.txt when files had to be left out."""
    remove_leftovers(run_dir)
    write_bytes(run_dir / "config.json", (json.dumps(to_dict(config), indent=1) + "\n").encode())
    if dataset.bad:
        lines = "".join(f"{name}\t{reason}\n" for name, reason in dataset.bad)
        write_bytes(run_dir / "bad_images.txt", lines.encode())

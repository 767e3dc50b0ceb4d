"""One training at a time in a folder."""

import contextlib
from pathlib import Path

from sgan.config import ConfigError

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
        self.file = open(run_dir / LOCK_NAME, "w")  # noqa: SIM115 - it stays open
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

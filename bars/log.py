"""The progress of a job where nobody watches: plain lines in a log."""

import time
from typing import Any

from tqdm.std import tqdm

LINE_EVERY = 30.0  # seconds between two lines of a log at least
LINES_APART = 0.02  # of the time that has passed, so that a job of days has no more lines than one can read
LINE_SELDOM = 600.0  # seconds between two lines at most


class LogBar(tqdm):
    """A tqdm that never draws over itself: a line every LINE_EVERY seconds, ever more seldom, and one at the end.

    With leave=False the one at the end comes only after others.
    """

    def __init__(self, *arguments: Any, **named: Any):
        self.told = False
        super().__init__(*arguments, **named | dict(mininterval=LINE_EVERY, miniters=1, ncols=0, dynamic_ncols=False))

    def __iter__(self):
        try:
            for item in self.iterable:
                yield item
                self.update()
        finally:
            self.close()

    def refresh(self, *_: Any, **__: Any) -> None:
        """Nothing: what was written stays."""

    clear = refresh

    def update(self, n: float = 1) -> bool | None:
        due = super().update(n)
        if due:
            self._write_line()
            self.mininterval = min(max(LINES_APART * (time.time() - self.start_t), LINE_EVERY), LINE_SELDOM)
        return due

    def close(self) -> None:
        if self.disable:
            return
        self.disable = True
        self._decr_instances(self)
        if self.leave or self.told:
            self._ema_dt = lambda: None  # the rate over the whole time
            self._write_line()

    def _write_line(self) -> None:
        self.told = True
        self.fp.write(f"{self}\n")
        getattr(self.fp, "flush", lambda: None)()

"""The losses of a run as a plot, with a mark at each change."""

import time
from pathlib import Path

import ipywidgets as widgets
import numpy as np

from panels.parts import ImageView, observe
from panels.pictures import to_png
from sgan.events import Changed, Opened, RolledBack, Stats
from sgan.panel.text import patch_text
from sgan.training.keeper import read_rows
from sgan.viz import plot_losses

SHARE = 0.1  # of the time may go into drawing


class LossPlot(widgets.VBox):
    """The whole history of a run."""

    def __init__(self):
        self.history: list[dict] = []
        self.marks: list[tuple[float, str]] = []  # kimg, text
        self.image: np.ndarray | None = None
        self.next = 0.0
        self.view = ImageView(format="png", layout=widgets.Layout(width="100%", object_fit="contain"))
        self.log_scale = widgets.Checkbox(description="logarithmic losses", indent=False)
        observe([self.log_scale], self.draw)
        layout = widgets.Layout(flex="1 1 440px", max_width="900px")
        super().__init__([self.view, self.log_scale], layout=layout)

    def take_over(self, event: Opened, run_dir: str | Path) -> None:
        """Shows what a run has logged so far."""
        self.history = read_rows(Path(run_dir) / "stats.jsonl", event.nimg)
        self.marks = [(row["nimg"] / 1000, patch_text(row["patch"])) for row in event.journal]
        self.draw()

    def add(self, event: Stats) -> None:
        """Adds a row, which is drawn when there is time for it."""
        self.history.append({"nimg": event.nimg, "iteration": event.iteration, **event.values})
        if time.monotonic() >= self.next:
            self.draw()

    def mark(self, event: Changed) -> None:
        """Marks a change."""
        self.marks.append((event.nimg / 1000, patch_text(event.patch)))

    def roll_back(self, event: RolledBack) -> None:
        """Forgets what the training went back behind."""
        self.history = [row for row in self.history if row["nimg"] <= event.nimg]
        self.marks = [mark for mark in self.marks if mark[0] <= event.nimg / 1000]
        self.marks.append((event.nimg / 1000, "rolled back"))

    def draw(self) -> None:
        """Draws the whole history; the next one waits so long that drawing stays a small share of the time."""
        if not self.history:
            return
        began = time.monotonic()
        self.image = plot_losses(self.history, self.marks, self.log_scale.value)
        self.view.value = to_png(self.image)
        now = time.monotonic()
        self.next = now + (now - began) / SHARE

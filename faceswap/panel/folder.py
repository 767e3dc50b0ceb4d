"""One face onto a whole folder of photos, with progress, Stop and a contact sheet."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from faceswap.find.landmarkers import LANDMARKERS, landmarks_name
from faceswap.jobs.batch import REPORT, SHEET, Job, Row, run_batch
from faceswap.media.images import list_photos, read_image
from faceswap.panel.options import command_html, plain_command
from faceswap.panel.swap import Swap
from graphs.silence import silent_libraries
from panels.pages import JobPanel, Shown
from panels.parts import LABEL, labelled
from panels.pictures import to_jpeg
from provenance.leftovers import temporary_folder

SHEET_WIDTH = 900  # pixels shown


class FolderPanel(JobPanel):
    """Puts the face of a swap panel, with its options, onto all photos of a folder.

    swap: gives face and options; folder: of photos; out: of results. `await panel.begin()` starts it in a cell, the
    button without one. Photos done already are not done again.
    """

    kept = "what was done is kept, and the next run makes the rest"

    def __init__(self, swap: Swap, folder: str = "", out: str = "results/many", workers: int = 0):
        super().__init__(swap.message.details)
        self.swap = swap
        self.rows: list[Row] = []
        self.folder = widgets.Text(str(folder), **labelled("folder of photos", 520))
        self.out = widgets.Text(str(out), **labelled("folder of results", 520))
        self.workers = widgets.BoundedIntText(workers, min=0, max=256, description="processes (0: all)", style=LABEL)
        self.workers.tooltip = "photos worked on at once; 0: as many as there are processors"
        self.command_text = widgets.HTML()
        for control in (self.folder, self.out, self.workers):
            control.observe(self._show_command, "value")
        swap.on_change(self._show_command)
        self.sheet = widgets.Image(format="jpeg", layout=widgets.Layout(max_width=f"{SHEET_WIDTH}px", display="none"))
        buttons = widgets.HBox([self.workers, self.start, self.stop_button])
        rows = [self.folder, self.out, buttons, self.bar, self.status, self.sheet, self.command_text]
        self.children = [*rows, self.message]
        self.add_class("ruf-folder")
        self._show_command()

    def _show_command(self, *_: Any) -> None:
        """Shows the plain command that does the same."""
        self.command_text.value = command_html(self.command()) if self.folder.value else ""

    def command(self) -> str:
        """The plain command that does the same."""
        files = {"--src": self.swap.face_file(), "--dst": self.folder.value, "--out": self.out.value}
        workers = ["--workers", str(self.workers.value)] if self.workers.value else []
        name = landmarks_name(self.swap.landmarker)
        return plain_command("-m faceswap batch", files, self.swap.options(), name, *workers)

    def work(self) -> Iterator[Row]:
        """The rows of the report, photo by photo; when they end, report and contact sheet are written."""
        self.rows = []
        folder, out = Path(self.folder.value), Path(self.out.value)
        if not self.folder.value:
            raise ValueError("no folder is chosen; give a folder of photos")
        self.bar.max, self.bar.value = max(len(list_photos(folder, out)), 1), 0
        with temporary_folder() as own, silent_libraries():
            kept = self.swap.write_face()
            name = landmarks_name(self.swap.landmarker)
            face = shutil.copy(kept, own)  # the panel may write another face meanwhile
            job = Job(face, self.swap.options(), landmarks=name if name in LANDMARKERS else "mesh")
            with closing(run_batch(job, folder, out, self.workers.value or None, (kept,))) as rows:
                for row in rows:
                    yield row
                    if self.stopped:
                        break
        self.message.say(f"report: {out / REPORT}")
        if (out / SHEET).exists():
            self.sheet.value, self.sheet.layout.display = to_jpeg(read_image(out / SHEET)), None

    def show(self, row: Row) -> None:
        """Counts a photo."""
        self.rows.append(row)
        self.bar.value, self.status.value = len(self.rows), self.as_text()
        if row.message:
            self.message.say(row.message)

    def shown(self, problem: str = "") -> Shown:
        """Counts and contact sheet."""
        path = Path(self.out.value) / SHEET
        return Shown(problem or self.as_text(), read_image(path) if self.rows and path.exists() else None)

    def as_text(self) -> str:
        """How many photos came to what."""
        if not self.rows:
            return "no photos done"
        counts = Counter(row.status for row in self.rows)
        return ", ".join(f"{count} {status}" for status, count in counts.items())

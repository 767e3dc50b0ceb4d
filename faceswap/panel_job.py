"""One face onto a whole folder of photos, with progress, Stop and a contact sheet."""

from __future__ import annotations

import asyncio
from collections import Counter
from pathlib import Path

import ipywidgets as widgets

from faceswap.batch import REPORT, SHEET, Job, Row, run_batch
from faceswap.images import list_photos, read_image
from faceswap.landmarks import silent_libraries
from faceswap.panel import SwapPanel
from panels import LABEL, Message, Panel, Shown, TaskStarter, show_all, to_jpeg

SHEET_WIDTH = 900  # pixels shown


class FolderPanel(Panel):
    """Puts the face of a swap panel, with its options, onto all photos of a folder.

    swap: gives face and options; folder: of photos; out: of results. `await panel.run()` does it in a cell, the
    button when no cell does. Photos done already are not done again.
    """

    def __init__(self, swap: SwapPanel, folder: str = "", out: str = "results/many", workers: int = 0):
        self.swap, self.stopped, self.running = swap, False, False
        self.rows: list[Row] = []
        wide = dict(style=LABEL, layout=widgets.Layout(width="520px"))
        self.folder = widgets.Text(str(folder), description="folder of photos", **wide)
        self.out = widgets.Text(str(out), description="folder of results", **wide)
        self.workers = widgets.BoundedIntText(workers, min=0, max=256, description="processes", style=LABEL)
        self.workers.tooltip = "photos worked on at once; 0: one for each processor"
        self.start = widgets.Button(description="Start", icon="play", button_style="success")
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.start.on_click(TaskStarter(self.run))
        self.stop_button.on_click(lambda _: self.stop())
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="99%"))
        self.status, self.message = widgets.HTML(), Message()
        self.sheet = widgets.Image(format="jpeg", layout=widgets.Layout(max_width=f"{SHEET_WIDTH}px", display="none"))
        buttons = widgets.HBox([self.workers, self.start, self.stop_button])
        super().__init__([self.folder, self.out, buttons, self.bar, self.status, self.sheet, self.message])
        self.add_class("ruf-folder")

    def stop(self) -> None:
        """Ends the job after the photos in work; the next run makes the rest."""
        self.stopped = True

    async def run(self) -> Shown:
        """Does the folder; returns counts and contact sheet. What is wrong is told in the panel and in the result."""
        if self.running:
            return Shown("the folder is being worked on already")
        self.rows, self.stopped, self.running = [], False, True
        self.start.disabled, self.stop_button.disabled, self.message.value = True, False, ""
        try:
            folder, out = Path(self.folder.value), Path(self.out.value)
            if not self.folder.value:
                raise ValueError("no folder is chosen; give a folder of photos")
            self.bar.max, self.bar.value = max(len(list_photos(folder)), 1), 0
            job = Job(str(self.swap.write_face()), self.swap.options())
            with silent_libraries():
                rows = run_batch(job, folder, out, self.workers.value or None)
            await show_all(self._until_stopped(rows), self._show)
            self._finish(out)
        except (OSError, ValueError, RuntimeError) as error:
            self.message.fail(error)
            return Shown(f"{type(error).__name__}: {error}")
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.message.say("interrupted; what was done is kept, and the next run makes the rest")
            raise
        finally:
            self.running = False
            self.start.disabled, self.stop_button.disabled = False, True
        return self.shown()

    def _until_stopped(self, rows):
        """The rows until Stop; closing them writes report and contact sheet."""
        try:
            for row in rows:
                yield row
                if self.stopped:
                    break
        finally:
            rows.close()

    def _show(self, row: Row) -> None:
        self.rows.append(row)
        self.bar.value = len(self.rows)
        self.status.value = self.as_text()
        if row.message:
            self.message.say(row.message)

    def _finish(self, out: Path) -> None:
        self.message.say(f"report: {out / REPORT}")
        if (out / SHEET).exists():
            self.sheet.value = to_jpeg(read_image(out / SHEET))
            self.sheet.layout.display = None

    def shown(self) -> Shown:
        """Counts and contact sheet."""
        path = Path(self.out.value) / SHEET
        return Shown(self.as_text(), read_image(path) if self.rows and path.exists() else None)

    def as_text(self) -> str:
        """How many photos came to what."""
        if not self.rows:
            return "no photos done"
        counts = Counter(row.status for row in self.rows)
        return ", ".join(f"{count} {status}" for status, count in counts.items())

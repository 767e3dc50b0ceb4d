"""One face onto a whole folder of photos, with progress, Stop and a contact sheet."""

from __future__ import annotations

import asyncio
import shlex
import shutil
from collections import Counter
from pathlib import Path
from typing import Any

import ipywidgets as widgets

from faceswap.find.landmarkers import LANDMARKERS, landmarks_name
from faceswap.find.landmarks import silent_libraries
from faceswap.jobs.batch import REPORT, SHEET, Job, Row, run_batch
from faceswap.media.images import list_photos, read_image
from faceswap.panel import SwapPanel
from faceswap.panel.command import command_html, option_flags
from panels import LABEL, JobPanel, Message, Shown, TaskStarter, show_all, to_jpeg
from provenance.leftovers import temporary_folder

SHEET_WIDTH = 900  # pixels shown


class FolderPanel(JobPanel):
    """Puts the face of a swap panel, with its options, onto all photos of a folder.

    swap: gives face and options; folder: of photos; out: of results. `await panel.begin()` starts it in a cell, the
    button without one. Photos done already are not done again.
    """

    def __init__(self, swap: SwapPanel, folder: str = "", out: str = "results/many", workers: int = 0):
        self.swap, self.stopped, self.running = swap, False, False
        self.rows: list[Row] = []
        wide = dict(style=LABEL, layout=widgets.Layout(width="520px"))
        self.folder = widgets.Text(str(folder), description="folder of photos", **wide)
        self.out = widgets.Text(str(out), description="folder of results", **wide)
        self.workers = widgets.BoundedIntText(workers, min=0, max=256, description="processes (0: all)", style=LABEL)
        self.workers.tooltip = "photos worked on at once; 0: as many as there are processors"
        self.start = widgets.Button(description="Start", icon="play", button_style="success")
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.starter = TaskStarter(self.run)
        self.start.on_click(self.starter)
        self.stop_button.on_click(lambda _: self.stop())
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="99%"))
        self.status, self.message = widgets.HTML(), Message()
        self.command_text = widgets.HTML()
        for control in (self.folder, self.out, self.workers):
            control.observe(self._show_command, "value")
        swap.on_change(self._show_command)
        self.sheet = widgets.Image(format="jpeg", layout=widgets.Layout(max_width=f"{SHEET_WIDTH}px", display="none"))
        buttons = widgets.HBox([self.workers, self.start, self.stop_button])
        rows = [self.folder, self.out, buttons, self.bar, self.status, self.sheet, self.command_text]
        super().__init__([*rows, self.message])
        self.add_class("ruf-folder")
        self._show_command()

    def _show_command(self, *_: Any) -> None:
        """Shows the plain command that does the same."""
        self.command_text.value = command_html(self.command()) if self.folder.value else ""

    def command(self) -> str:
        """The plain command that does the same."""
        files = ["--src", str(self.swap.face_file()), "--dst", self.folder.value, "--out", self.out.value]
        workers = ["--workers", str(self.workers.value)] if self.workers.value else []
        flags = option_flags(self.swap.options(), landmarks_name(self.swap.landmarker))
        return shlex.join(["python", "-m", "faceswap", "batch", *files, *workers, *flags])

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
            self.bar.max, self.bar.value = max(len(list_photos(folder, out)), 1), 0
            with temporary_folder() as own:
                kept = self.swap.write_face()
                name = landmarks_name(self.swap.landmarker)
                face = shutil.copy(kept, own)  # the panel may write another face meanwhile
                job = Job(face, self.swap.options(), landmarks=name if name in LANDMARKERS else "mesh")
                with silent_libraries():
                    rows = run_batch(job, folder, out, self.workers.value or None, (kept,))
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

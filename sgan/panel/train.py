"""Training in a notebook: the events of a run shown in widgets, and buttons and sliders that post to its mailbox."""

import asyncio
import dataclasses
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import ipywidgets as widgets
import numpy as np

from panels import (
    AWAIT_FOR,
    ImageView,
    JobPanel,
    Message,
    OnMainThread,
    Shown,
    TaskStarter,
    enlarge,
    show_all,
    static_picture,
    to_png,
)
from sgan.config import ConfigError, HParams, TrainConfig
from sgan.events import (
    Changed,
    Control,
    Event,
    Finished,
    Grid,
    Measured,
    NotCompiled,
    Opened,
    RolledBack,
    Saved,
    SaveFailed,
    Shrunk,
    Stats,
    Step,
)
from sgan.launch.bridge import opened_event, run_workers
from sgan.launch.run import newest_state, run_training
from sgan.panel.checks import check_runnable, choose_gpus
from sgan.panel.form import LIVE, live_widget
from sgan.panel.text import done_before, duration, memory_text, patch_text
from sgan.training.logs import read_rows
from sgan.viz import plot_losses

PAUSE_LOOK = 0.05  # seconds between two looks at whether a pause is over
PLOT_SHARE = 0.1  # of the time may go into drawing the plot


class TrainPanel(JobPanel):
    """A training with its grid, losses, progress, buttons and live sliders.

    read_config: gives the TrainConfig when a run starts (such as `form.config`). `await panel.begin()` starts it in a
    cell, *Start* without one.
    """

    current: ClassVar["TrainPanel | None"] = None  # the panel that trains in this kernel

    @classmethod
    def find(cls, read_config: Callable[[], TrainConfig]) -> "TrainPanel":
        """The panel of the training that is going on in this kernel, else a new one."""
        return cls.current or cls(read_config)

    def __init__(self, read_config: Callable[[], TrainConfig]):
        self.read_config = read_config
        self.control: Control | None = None
        self.config, self.hparams = TrainConfig(), HParams()
        self.history: list[dict] = []
        self.marks: list[tuple[float, str]] = []
        self.grid_image: np.ndarray | None = None
        self.plot_image: np.ndarray | None = None
        self.last_step: Step | None = None
        self.plot_next = 0.0
        self.reason = ""
        self._build()
        super().__init__(self._rows())
        self.add_class("ruf-train")
        self._show_idle()

    def _build(self) -> None:
        """Makes the widgets."""
        self.status, self.message = widgets.HTML("no training yet"), Message()
        self.bar = widgets.FloatProgress(min=0, max=1, layout=widgets.Layout(width="99%"))
        self.grid = ImageView(format="png", layout=widgets.Layout(width="420px", object_fit="contain"))
        self.plot = ImageView(format="png", layout=widgets.Layout(width="100%", object_fit="contain"))
        self.log_scale = widgets.Checkbox(description="logarithmic losses", indent=False)
        self.log_scale.observe(OnMainThread(self._draw_plot), "value")
        self.starter = TaskStarter(self.run)
        self.buttons = {
            "Start": widgets.Button(description="Start", icon="play", button_style="success"),
            "Pause": widgets.Button(description="Pause", icon="pause"),
            "Stop": widgets.Button(description="Stop and save", icon="stop"),
            "Resume": widgets.Button(description="Resume", icon="forward"),
        }
        self.buttons["Start"].on_click(self.starter)
        self.buttons["Pause"].on_click(lambda _: self.pause())
        self.buttons["Stop"].on_click(lambda _: self.stop())
        self.buttons["Resume"].on_click(lambda _: self.unpause() if self.running else self.starter())
        self.live = widgets.VBox()

    def _rows(self) -> list[widgets.Widget]:
        row = widgets.Layout(flex_flow="row wrap", grid_gap="12px", align_items="flex-start")
        right = widgets.Layout(flex="1 1 440px", max_width="900px")
        return [
            widgets.HBox(list(self.buttons.values())),
            self.bar,
            self.status,
            widgets.HBox(
                [widgets.VBox([self.grid, self.live]), widgets.VBox([self.plot, self.log_scale], layout=right)],
                layout=row,
            ),
            self.message,
        ]

    @property
    def running(self) -> bool:
        """Whether a run is going on, paused or not."""
        return self.control is not None

    @property
    def paused(self) -> bool:
        """Whether the run is held."""
        return self.control is not None and self.control.paused

    def pause(self) -> None:
        """Holds the run between two steps."""
        if self.control is not None:
            self.control.pause()
        self._show_buttons()

    def unpause(self) -> None:
        """Goes on after a pause."""
        if self.control is not None:
            self.control.unpause()
        self._show_buttons()

    def stop(self) -> None:
        """Asks the run to save and end."""
        if self.control is not None:
            self.control.stop()
            self.message.say("stopping after this step; the state is being saved")

    async def run(self) -> Shown:
        """Trains as the settings say, showing it; returns the last state in text and picture.

        What is wrong with the settings, the data or a checkpoint is told in the panel and in the result.
        """
        if self.running:
            return Shown("a training is running in this panel already")
        self.control, self.last_step, TrainPanel.current = Control(), None, self
        self.message.value = ""
        self._show_buttons()
        reason = ""
        try:
            self.config = self.read_config()
            check_runnable(self.config)
            choose_gpus(self.config.CUDA_VISIBLE_DEVICES)
            await asyncio.sleep(AWAIT_FOR)
            reason = await self._drive(self._events())
            if reason == "done" and self.last_step is None:
                self.message.say(done_before(self.config))
        except Exception as error:
            self.message.fail(error)
            reason = f"{type(error).__name__}: {error}"
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.message.say("interrupted; what was whole is saved, and Resume goes on from it")
            raise
        finally:
            self.control = TrainPanel.current = None
            self._draw_plot()
            self._show_idle()
        return self.result(reason)

    @property
    def has_workers(self) -> bool:
        """Whether other processes train, so that this one only shows what they do."""
        return self.config.n_gpu > 1 and self.config.is_train

    def _events(self) -> Iterator[Event]:
        """The events of the run, in this process or of others."""
        if self.has_workers:
            self.message.say(f"{self.config.n_gpu} processes are starting")
            return run_workers(self.config, self.control)
        opened = lambda state, dataset: self.show(opened_event(state, dataset))  # noqa: E731
        return run_training(self.config, self.control, self._decoding, opened)

    async def _drive(self, events: Iterator[Event]) -> str:
        """Shows every event; returns why the run ended."""
        self.reason = "the grid of the saved state"
        await show_all(events, self.show, self._breathe)
        return self.reason

    async def _breathe(self) -> None:
        self._show_progress()
        await self._hold()

    async def _hold(self) -> None:
        """Waits while the user wants a pause."""
        if self.has_workers:  # who hold themselves; here is time for everything else
            await asyncio.sleep(PAUSE_LOOK)
            return
        if self.paused:
            self._draw_plot()
        while self.paused and not self.control.stopped:
            await asyncio.sleep(PAUSE_LOOK)

    def _decoding(self, results: Iterable) -> Iterator:
        """Progress while pictures are decoded; ends it with an error when the user stops."""
        shown = 0.0
        for count, result in enumerate(results):
            if time.monotonic() - shown > 0.2:
                shown = time.monotonic()
                self.status.value = f"decoding pictures: {count}"
            if self.control.stopped:
                raise ConfigError("stopped while the pictures were decoded; nothing was trained")
            yield result

    def _open(self, event: Opened) -> None:
        """Takes over the history of the run and its live values."""
        self.hparams = event.hparams
        self.history = read_rows(Path(self.config.save_folder_path) / "stats.jsonl", event.nimg)
        self.marks = [(row["nimg"] / 1000, patch_text(row["patch"])) for row in event.journal]
        self.bar.max, self.bar.value = max(self.config.n_sample_total, 1), event.nimg
        resolution = 2 ** (self.config.schedule(event.nimg)[0] + 2)
        self._build_live(resolution)
        going_on = f"; going on after {event.nimg / 1000:g} kimg" if event.nimg else ""
        self.message.say("; ".join([f"{event.n_images} pictures, {event.n_bad} unreadable{going_on}", *event.notes]))
        self._draw_plot()

    def _build_live(self, resolution: int) -> None:
        """The sliders of the values that may change now; each posts to the mailbox."""
        batch = self.config.batch_size_at(resolution)
        values = dataclasses.asdict(self.hparams)
        values["learning_rate"] = self.hparams.learning_rate_at(resolution)
        values["r1_gamma"] = self.hparams.r1_gamma_at(resolution, batch)
        sliders = {name: live_widget(name, values[name]) for name in LIVE if name in values}
        for name, slider in sliders.items():
            slider.add_class(f"ruf-live-{name}")
            slider.observe(lambda change, name=name: self.set_live(name, change["new"]), "value")
        self.live.children = list(sliders.values())

    def set_live(self, name: str, value: float) -> None:
        """Posts a new value to the running training; a learning rate holds for the resolution in work."""
        if self.control is None:
            return
        if name == "learning_rate":
            resolution = self.last_step.resolution if self.last_step else 2 ** (self.config.step + 2)
            value = {**self.hparams.learning_rate, resolution: value}
        try:
            self.control.set(**{name: value})
            self.hparams = self.hparams.changed({name: value})
            self.message.say(f"{patch_text({name: value})} from the next step on")
        except ConfigError as error:
            self.message.fail(error)

    def show(self, event: Event) -> None:
        """Shows one event of a run."""
        if isinstance(event, Opened):
            self._open(event)
        elif isinstance(event, Step):
            self.last_step = event
        elif isinstance(event, Stats):
            self.history.append({"nimg": event.nimg, "iteration": event.iteration, **event.values})
            if time.monotonic() >= self.plot_next:
                self._draw_plot()
        elif isinstance(event, Grid):
            self.grid_image = event.image
            self.grid.value = to_png(enlarge(event.image))
        elif isinstance(event, Changed):
            self.marks.append((event.nimg / 1000, patch_text(event.patch)))
        elif isinstance(event, Saved):
            self.message.say(f"saved {event.path}")
        elif isinstance(event, (SaveFailed, Shrunk, Measured, NotCompiled)):
            self.message.say(event.text)
        elif isinstance(event, RolledBack):
            self._roll_back(event)
        elif isinstance(event, Finished):
            self.reason = event.reason

    def _roll_back(self, event: RolledBack) -> None:
        """Forgets what the training went back behind."""
        self.history = [row for row in self.history if row["nimg"] <= event.nimg]
        self.marks = [mark for mark in self.marks if mark[0] <= event.nimg / 1000]
        self.marks.append((event.nimg / 1000, "rolled back"))
        self.hparams = self.hparams.changed(event.patch)
        self.message.say(f"{event.reason}; back to {event.nimg / 1000:g} kimg with half the learning rate")

    def _draw_plot(self) -> None:
        """Draws the whole history; the next one waits so long that drawing stays a small share of the time."""
        if not self.history:
            return
        began = time.monotonic()
        self.plot_image = plot_losses(self.history, self.marks, self.log_scale.value)
        self.plot.value = to_png(self.plot_image)
        now = time.monotonic()
        self.plot_next = now + (now - began) / PLOT_SHARE

    def _show_progress(self) -> None:
        if self.last_step is None:
            return
        step, total = self.last_step, self.config.n_sample_total
        self.bar.value = step.nimg
        speed = self.history[-1].get("sec_per_kimg") if self.history else None
        parts = [f"<b>{step.nimg / 1000:.1f} of {total / 1000:g} kimg</b>", f"{step.resolution} x {step.resolution}"]
        if step.alpha < 1:
            parts.append(f"fading in: {step.alpha:.0%}")
        if speed:
            left = max(total - step.nimg, 0) / 1000 * speed
            parts += [f"{speed:.1f} s per kimg", f"{duration(left)} left"]
        parts.append(memory_text(self.config.device))
        self.status.value = " &middot; ".join(parts)

    def _show_buttons(self) -> None:
        resumable = self.paused if self.running else self._saved() is not None
        enabled = {
            "Start": not self.running,
            "Pause": self.running and not self.paused,
            "Stop": self.running,
            "Resume": resumable,
        }
        for name, button in self.buttons.items():
            button.disabled = not enabled[name]

    def _saved(self) -> Path | None:
        try:
            return newest_state(self.read_config().save_folder_path)
        except ConfigError:
            return None

    def _show_idle(self) -> None:
        self._show_progress()
        self._show_buttons()
        saved = self._saved()
        if saved is not None and not self.message.value:
            self.message.say(f"a saved state is there: {saved}; Resume goes on from it")

    def result(self, reason: str) -> Shown:
        """The panel's content as text and picture."""
        at = f" after {self.last_step.nimg / 1000:g} kimg" if self.last_step else ""
        grid = None if self.grid_image is None else enlarge(self.grid_image)
        return Shown(f"training: {reason}{at}", static_picture(grid, self.plot_image))

    def as_text(self) -> str:
        """Where the training stands."""
        return self.result("running" if self.running else "not running").text

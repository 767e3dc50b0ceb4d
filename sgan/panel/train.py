"""Training in a notebook: the events of a run shown in widgets, and buttons and sliders that post to its mailbox."""

import asyncio
import os
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import ClassVar

import ipywidgets as widgets
import numpy as np
import torch

from panels.pages import JobPanel, Shown
from panels.parts import ImageView, wrapped
from panels.pictures import enlarge, side_by_side, to_png
from sgan.config import ConfigError, TrainConfig, resolution_of
from sgan.data.dataset import Dataset
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
from sgan.launch.folder import newest_state
from sgan.launch.run import run_training
from sgan.panel.live import LiveSliders
from sgan.panel.plot import LossPlot
from sgan.panel.text import done_before, duration, memory_text
from sgan.training.state import TrainState
from sgan.weights.foreign import CheckpointError

PAUSE_LOOK = 0.05  # seconds between two looks at whether a pause is over
DECODING_LOOK = 0.2  # seconds between two counts of decoded pictures


def check_runnable(config: TrainConfig) -> None:
    """ConfigError or CheckpointError when there is nothing that a run could begin with."""
    if config.is_train and not config.image_folder_path:
        raise ConfigError("image_folder_path is empty; give the folder of face pictures to train on")
    if not config.is_train and newest_state(config.save_folder_path) is None:
        raise CheckpointError(f"{config.save_folder_path} holds no state; train first (is_train True)")


def choose_gpus(indices: str) -> None:
    """Lets CUDA see only these GPUs; ConfigError when it is in use already and would not notice."""
    if not indices or os.environ.get("CUDA_VISIBLE_DEVICES") == indices:
        return
    if torch.cuda.is_initialized():
        raise ConfigError(f"CUDA_VISIBLE_DEVICES is {indices}, but CUDA is in use already; restart the kernel first")
    os.environ["CUDA_VISIBLE_DEVICES"] = indices


class TrainPanel(JobPanel):
    """A training with its grid, losses, progress, buttons and live sliders.

    read_config: gives the TrainConfig when a run starts (such as `form.config`). `await panel.begin()` starts it in a
    cell, *Start* without one.
    """

    current: ClassVar["TrainPanel | None"] = None  # the panel that trains in this kernel
    failures = (Exception,)
    kept = "what was whole is saved, and Resume goes on from it"

    @classmethod
    def find(cls, read_config: Callable[[], TrainConfig]) -> "TrainPanel":
        """The panel of the training that is going on in this kernel, else a new one."""
        return cls.current or cls(read_config)

    def __init__(self, read_config: Callable[[], TrainConfig]):
        super().__init__()
        self.read_config, self.config = read_config, TrainConfig()
        self.control = Control()
        self.grid_image: np.ndarray | None = None
        self.last_step: Step | None = None
        self.reason = ""
        self.status.value, self.stop_button.description = "no training yet", "Stop and save"
        self.pause_button = widgets.Button(description="Pause", icon="pause")
        self.pause_button.on_click(lambda _: self.pause())
        self.resume_button = widgets.Button(description="Resume", icon="forward")
        self.resume_button.on_click(lambda _: self.unpause() if self.running else self.start.click())
        self.grid = ImageView(format="png", layout=widgets.Layout(width="420px", object_fit="contain"))
        self.plot, self.live = LossPlot(), LiveSliders(self.message)
        buttons = widgets.HBox([self.start, self.pause_button, self.stop_button, self.resume_button])
        left = widgets.VBox([self.grid, self.live])
        shown = wrapped(left, self.plot, gap=12, align_items="flex-start")
        self.children = [buttons, self.bar, self.status, shown, self.message]
        self.add_class("ruf-train")
        self.show_buttons()
        self._show_saved()

    @property
    def paused(self) -> bool:
        """Whether the run is held."""
        return self.running and self.control.paused

    def pause(self) -> None:
        """Holds the run between two steps."""
        if self.running:
            self.control.pause()
        self.show_buttons()

    def unpause(self) -> None:
        """Goes on after a pause."""
        self.control.unpause()
        self.show_buttons()

    def stop(self) -> None:
        """Asks the run to save and end."""
        if self.running:
            self.control.stop()
            self.message.say("stopping after this step; the state is being saved")

    async def run(self) -> Shown:
        """Trains as the settings say, showing it; returns the last state in text and picture.

        What is wrong with the settings, the data or a checkpoint is told in the panel and in the result.
        """
        if self.running:
            return await super().run()
        self.control, self.last_step, TrainPanel.current = Control(), None, self
        try:
            return await super().run()
        finally:
            TrainPanel.current = self.live.control = None
            self.plot.draw()
            self._show_progress()
            self._show_saved()

    def work(self) -> Iterator[Event]:
        """The events of the run, in this process or of others."""
        self.config, self.reason = self.read_config(), "the grid of the saved state"
        check_runnable(self.config)
        choose_gpus(self.config.CUDA_VISIBLE_DEVICES)
        if self.has_workers:
            self.message.say(f"{self.config.n_gpu} processes are starting")
            yield from run_workers(self.config, self.control)
        else:
            yield from run_training(self.config, self.control, self._decoding, self._opened)
        if self.reason == "done" and self.last_step is None:
            self.message.say(done_before(self.config))

    @property
    def has_workers(self) -> bool:
        """Whether other processes train, so that this one only shows what they do."""
        return self.config.n_gpu > 1 and self.config.is_train

    async def breathe(self) -> None:
        """Shows how far it is, and waits while the user wants a pause."""
        self._show_progress()
        if self.has_workers:  # who hold themselves; here is time for everything else
            await asyncio.sleep(PAUSE_LOOK)
            return
        if self.paused:
            self.plot.draw()
        while self.paused and not self.control.stopped:
            await asyncio.sleep(PAUSE_LOOK)

    def _opened(self, state: TrainState, dataset: Dataset) -> None:
        self.show(opened_event(state, dataset))

    def _decoding(self, results: Iterable) -> Iterator:
        """Progress while pictures are decoded; ends it with an error when the user stops."""
        shown = 0.0
        for count, result in enumerate(results):
            if time.monotonic() - shown > DECODING_LOOK:
                shown = time.monotonic()
                self.status.value = f"decoding pictures: {count}"
            if self.control.stopped:
                raise ConfigError("stopped while the pictures were decoded; nothing was trained")
            yield result

    def show(self, event: Event) -> None:
        """Shows one event of a run."""
        if isinstance(event, Opened):
            self._take_over(event)
        elif isinstance(event, Step):
            self.last_step, self.live.resolution = event, event.resolution
        elif isinstance(event, Stats):
            self.plot.add(event)
        elif isinstance(event, Grid):
            self.grid_image = event.image
            self.grid.value = to_png(enlarge(event.image))
        elif isinstance(event, Changed):
            self.plot.mark(event)
        elif isinstance(event, Saved):
            self.message.say(f"saved {event.path}")
        elif isinstance(event, (SaveFailed, Shrunk, Measured, NotCompiled)):
            self.message.say(event.text)
        elif isinstance(event, RolledBack):
            self.plot.roll_back(event)
            self.live.hparams = self.live.hparams.changed(event.patch)
            self.message.say(f"{event.reason}; back to {event.nimg / 1000:g} kimg with half the learning rate")
        elif isinstance(event, Finished):
            self.reason = event.reason

    def _take_over(self, event: Opened) -> None:
        """Shows the history of the run and its live values."""
        self.bar.max, self.bar.value = max(self.config.n_sample_total, 1), event.nimg
        resolution = resolution_of(self.config.schedule(event.nimg)[0])
        self.live.offer(self.config, event.hparams, resolution, self.control)
        going_on = f"; going on after {event.nimg / 1000:g} kimg" if event.nimg else ""
        self.message.say("; ".join([f"{event.n_images} pictures, {event.n_bad} unreadable{going_on}", *event.notes]))
        self.plot.take_over(event, self.config.save_folder_path)

    def _show_progress(self) -> None:
        if self.last_step is None:
            return
        step, total, history = self.last_step, self.config.n_sample_total, self.plot.history
        self.bar.value = step.nimg
        parts = [f"<b>{step.nimg / 1000:.1f} of {total / 1000:g} kimg</b>", f"{step.resolution} x {step.resolution}"]
        if step.alpha < 1:
            parts.append(f"fading in: {step.alpha:.0%}")
        if speed := history[-1].get("sec_per_kimg") if history else None:
            left = max(total - step.nimg, 0) / 1000 * speed
            parts += [f"{speed:.1f} s per kimg", f"{duration(left)} left"]
        self.status.value = " &middot; ".join([*parts, memory_text(self.config.device)])

    def show_buttons(self) -> None:
        """Lets the buttons offer what can be done now."""
        super().show_buttons()
        self.pause_button.disabled = not self.running or self.paused
        self.resume_button.disabled = not (self.paused if self.running else self._saved())

    def _saved(self) -> Path | None:
        try:
            return newest_state(self.read_config().save_folder_path)
        except ConfigError:
            return None

    def _show_saved(self) -> None:
        """Offers to go on from a saved state, where there is one."""
        saved = self._saved()
        if saved is not None and not self.message.value:
            self.message.say(f"a saved state is there: {saved}; Resume goes on from it")

    def shown(self, problem: str = "") -> Shown:
        """Where the training stands, as text and picture."""
        at = f" after {self.last_step.nimg / 1000:g} kimg" if self.last_step else ""
        grid = None if self.grid_image is None else enlarge(self.grid_image)
        return Shown(f"training: {problem or self.reason}{at}", side_by_side(grid, self.plot.image))

    def as_text(self) -> str:
        """Where the training stands, as text."""
        return self.shown("running" if self.running else "not running").text

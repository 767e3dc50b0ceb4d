"""Sliders of the values that may change while a training runs; each posts to its mailbox."""

import dataclasses

import ipywidgets as widgets
import numpy as np

from panels.messages import Message
from sgan.config import ConfigError, HParams, TrainConfig
from sgan.events import Control
from sgan.panel.form import SLIDER_STEPS
from sgan.panel.text import patch_text

LIVE = ("learning_rate", "r1_gamma", "ada_target", "DGR", "n_show_loss")  # have a slider
NARROW = {"description_width": "110px"}  # of a slider's name
LOG_DECADES = 6  # width of a logarithmic slider whose range starts at 0


class LiveSliders(widgets.VBox):
    """A slider for each of LIVE; empty until a run offers its values. message: tells what was posted, or why not."""

    def __init__(self, message: Message):
        super().__init__()
        self.message, self.control = message, None
        self.hparams, self.resolution = HParams(), 4

    def offer(self, config: TrainConfig, hparams: HParams, resolution: int, control: Control) -> None:
        """Shows a run's values and posts to it from now on. resolution: in work, for which a learning rate holds."""
        self.hparams, self.resolution, self.control = hparams, resolution, control
        values = dataclasses.asdict(hparams)
        values["learning_rate"] = hparams.learning_rate_at(resolution)
        values["r1_gamma"] = hparams.r1_gamma_at(resolution, config.batch_size_at(resolution))
        sliders = {name: live_widget(name, values[name]) for name in LIVE if name in values}
        for name, slider in sliders.items():
            slider.add_class(f"ruf-live-{name}")
            slider.observe(lambda change, name=name: self.post(name, change["new"]), "value")
        self.children = list(sliders.values())

    def post(self, name: str, value: float) -> None:
        """Posts a new value to the running training."""
        if self.control is None:
            return
        if name == "learning_rate":
            value = {**self.hparams.learning_rate, self.resolution: value}
        try:
            self.control.set(**{name: value})
            self.hparams = self.hparams.changed({name: value})
            self.message.say(f"{patch_text({name: value})} from the next step on")
        except ConfigError as error:
            self.message.fail(error)


def live_widget(name: str, value: float) -> widgets.Widget | None:
    """The slider or box for a hyper-parameter of a running training; None when there is no such parameter."""
    f = HParams.__dataclass_fields__.get(name)
    if f is None:
        return None
    meta = f.metadata
    common = dict(description=name, style=NARROW, layout=widgets.Layout(width="424px"), continuous_update=False)
    common["tooltip"] = meta["help"]
    low, high = meta["min"], meta["max"]
    if meta["log"]:
        top = np.log10(high)
        bottom = np.log10(low) if low else top - LOG_DECADES
        if value and not low:
            bottom = min(bottom, np.floor(np.log10(value)))  # what holds is shown, however small
        span = dict(base=10, min=bottom, max=top, step=0.02, readout_format=".2g")
        return widgets.FloatLogSlider(value=max(value, 10**bottom), **span, **common)
    if f.type is int:
        kind = widgets.IntSlider if high - low <= SLIDER_STEPS else widgets.BoundedIntText
        return kind(value=value, min=low, max=high, **common)
    return widgets.FloatSlider(value=value, min=low, max=high, step=0.01, **common)

"""The form of all training settings, built from sgan.config."""

import dataclasses
from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from typing import Any

import ipywidgets as widgets

from panels.messages import Message
from panels.pages import Panel
from panels.parts import labelled
from sgan.config import (
    DEFAULT_LEARNING_RATE,
    RESOLUTIONS,
    ConfigError,
    HParams,
    ModelConfig,
    TrainConfig,
    from_dict,
    resolution_of,
)
from sgan.presets import PRESETS

PRESET_NAMES = {preset.title: name for name, preset in PRESETS.items()}
GROUPS = (("Data and run", TrainConfig), ("Live", HParams), ("Networks", ModelConfig))
SLIDER_STEPS = 100  # a range with more whole numbers is a box instead of a slider
UNBOUNDED = 2**31 - 1


class ResolutionTable(widgets.GridBox):
    """A row of boxes, one per resolution; an empty box leaves the resolution out. `get` and `put` a dict."""

    def __init__(self, f: dataclasses.Field):
        self.boxes = {}
        for size in RESOLUTIONS:
            layout = widgets.Layout(width="74px")
            self.boxes[size] = widgets.Text(layout=layout, continuous_update=False)
            self.boxes[size].tooltip = f"{f.metadata['help']}, {size} x {size}"
        heads = [widgets.HTML(f"<b>{size}</b>") for size in RESOLUTIONS]
        label = widgets.Label(f.name, tooltip=f.metadata["help"], layout=widgets.Layout(justify_content="flex-end"))
        rows = [widgets.HTML(""), *heads, label, *self.boxes.values()]
        columns = f"170px repeat({len(RESOLUTIONS)}, 78px)"
        super().__init__(rows, layout=widgets.Layout(grid_template_columns=columns, overflow="auto"))

    def get(self) -> dict[int, float]:
        """{resolution: number} of the boxes that are filled; ValueError for what is no number."""
        return {size: float(box.value) for size, box in self.boxes.items() if box.value.strip()}

    def put(self, value: Mapping[int, float]) -> None:
        """Fills the boxes."""
        for size, box in self.boxes.items():
            box.value = f"{value[size]:g}" if size in value else ""

    def hint(self, text: str) -> None:
        """Shows in empty boxes what holds instead."""
        for box in self.boxes.values():
            box.placeholder = text

    def on_change(self, callback: Callable) -> None:
        """Calls back after any box changed."""
        for box in self.boxes.values():
            box.observe(callback, "value")


class Field:
    """One widget for one field, with `get`, `put` and `on_change` in the field's own type."""

    def __init__(self, f: dataclasses.Field):
        self.f, self.widget = f, make_widget(f)
        self.widget.tooltip = f.metadata["help"]

    def get(self) -> Any:
        """The value."""
        if self.f.name == "style_mixing":
            return tuple(int(part) for part in self.widget.value.replace(",", " ").split())
        return self.widget.value

    def put(self, value: Any) -> None:
        """Shows a value."""
        self.widget.value = " ".join(map(str, value)) if self.f.name == "style_mixing" else value

    def on_change(self, callback: Callable) -> None:
        """Calls back after a change."""
        self.widget.observe(callback, "value")


def make_widget(f: dataclasses.Field) -> widgets.Widget:
    """The box, list or slider that fits a field's type and range."""
    meta = f.metadata
    common = labelled(f.name, 420)
    low, high = meta["min"], UNBOUNDED if meta["max"] is None else meta["max"]
    if meta["choices"]:
        return widgets.Dropdown(options=meta["choices"], value=f.default, **common)
    if f.type is bool:
        return widgets.Checkbox(value=f.default, **common)
    if f.type is int:
        kind = widgets.IntSlider if high - low <= SLIDER_STEPS else widgets.BoundedIntText
        return kind(value=f.default, min=low, max=high, continuous_update=False, **common)
    if f.type is float and high - low <= 1 and not meta["log"]:
        span = dict(min=low, max=high, step=0.01, readout_format=".2f")
        return widgets.FloatSlider(value=f.default, continuous_update=False, **span, **common)
    if f.type is float:
        return widgets.BoundedFloatText(value=f.default, min=low, max=high, **common)
    text = "" if f.name == "style_mixing" else f.default
    return widgets.Text(value=text, continuous_update=False, **common)


class ConfigForm(Panel):
    """A form with every training setting. `config()` gives the TrainConfig, `put(...)` fills fields in.

    preset: a name of PRESETS to start from; values override it.
    """

    def __init__(self, preset: str = "cpu", **values: Any):
        self.fields = {f.name: _field(f) for f in dataclasses.fields(TrainConfig)}
        self.presets = widgets.ToggleButtons(options=PRESET_NAMES, value=preset, description="preset")
        self.presets.style.button_width = "170px"
        self.message = Message()
        self.filling = False
        pages = [widgets.VBox(self._page(kind)) for _, kind in GROUPS]
        tabs = widgets.Tab(pages, titles=[title for title, _ in GROUPS])
        super().__init__([self.presets, tabs, self.message])
        self.add_class("ruf-form")
        self.put(**{**PRESETS[preset], **values})
        self.presets.observe(self._take_preset, "value")
        self.fields["learning_rate"].hint(f"{DEFAULT_LEARNING_RATE:g}")
        for field in self.fields.values():
            field.on_change(self._check)

    def _page(self, kind: type) -> list[widgets.Widget]:
        """The widgets of the fields that belong to one of the config's parts, tables last."""
        own = [name for name in self.fields if _owner(name) is kind]
        parts = [self.fields[name] for name in own]
        boxes = [part.widget for part in parts if isinstance(part, Field)]
        pairs = widgets.GridBox(boxes, layout=widgets.Layout(grid_template_columns="repeat(auto-fill, 430px)"))
        return [pairs, *[part for part in parts if isinstance(part, ResolutionTable)]]

    def put(self, **values: Any) -> None:
        """Fills fields in; ConfigError for a name that is no setting and for values that do not go with the others.

        After an error the form is as it was.
        """
        unknown = sorted(set(values) - set(self.fields))
        if unknown:
            raise ConfigError(f"{unknown[0]} is no setting; there are {', '.join(self.fields)}")
        self._fill(from_dict(TrainConfig, {**self._values(), **values}), values)

    def _values(self) -> dict[str, Any]:
        """What the fields hold, without those that cannot be read as they are."""
        values = {}
        for name, field in self.fields.items():
            with suppress(ValueError):
                values[name] = field.get()
        return values

    def _fill(self, config: TrainConfig, names: Iterable[str]) -> None:
        """Puts these settings of a config into their fields, and then checks once."""
        self.filling = True
        try:
            for name in names:
                self.fields[name].put(getattr(config, name))
        finally:
            self.filling = False
        self._check()

    def config(self) -> TrainConfig:
        """The settings; ConfigError names the one that cannot work."""
        values = {}
        for name, field in self.fields.items():
            try:
                values[name] = field.get()
            except ValueError as error:
                raise ConfigError(f"{name}: {error}") from None
        return TrainConfig(**values)

    def _take_preset(self, change: Mapping) -> None:
        sizes = {name for values in PRESETS.values() for name in values}
        defaults = TrainConfig()
        values = {**{name: getattr(defaults, name) for name in sizes}, **PRESETS[change["new"]]}
        self._fill(from_dict(TrainConfig, values), values)  # what does not go with it is told, not refused

    def _check(self, *_: Any) -> None:
        if self.filling:
            return
        try:
            self.fields["batch_size"].hint(f"{self.fields['mini_batch_size'].get()}")
            self.message.say(describe(self.config()))
        except ConfigError as error:
            self.message.fail(error)

    def as_text(self) -> str:
        """The settings that differ from their defaults."""
        values, defaults = dataclasses.asdict(self.config()), dataclasses.asdict(TrainConfig())
        return "\n".join(f"{name} = {value!r}" for name, value in values.items() if value != defaults[name])


def _field(f: dataclasses.Field) -> Field | ResolutionTable:
    return ResolutionTable(f) if f.metadata["by_resolution"] else Field(f)


def _owner(name: str) -> type:
    return next((kind for kind in (HParams, ModelConfig) if name in kind.__dataclass_fields__), TrainConfig)


def describe(config: TrainConfig) -> str:
    """One line about what these settings mean."""
    sizes = [resolution_of(step) for step in range(config.step, config.max_step + 1)]
    growth = " > ".join(f"{size} px (batch {config.batch_size_at(size)})" for size in sizes)
    return f"{growth}; {config.n_sample_total:,} images in all"

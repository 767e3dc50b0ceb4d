"""The options as the panels' controls, and as the plain commands that do what the panels do."""

from __future__ import annotations

import dataclasses
import html
import shlex
from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from faceswap.find.landmarkers import LANDMARKERS
from faceswap.options import Options
from panels.parts import observe

NARROW = {"description_width": "110px"}  # of an option's name


def option_control(f: dataclasses.Field) -> widgets.Widget:
    """The widget for one field of `Options`."""
    common = dict(description=f.name, style=NARROW, tooltip=f.metadata["help"], layout=widgets.Layout(width="340px"))
    allowed = f.metadata["allowed"]
    if isinstance(f.default, bool):
        return widgets.Checkbox(value=f.default, **common)
    if isinstance(f.default, str):
        return widgets.Dropdown(options=list(allowed), value=f.default, **common)
    return widgets.FloatSlider(f.default, min=allowed[0], max=allowed[1], step=0.01, **common)


class OptionControls(widgets.VBox):
    """A control for each field of `Options`. changed: called on the kernel's main thread when one was moved."""

    def __init__(self, changed: Callable[[], Any]):
        self.by_name = {f.name: option_control(f) for f in dataclasses.fields(Options)}
        for name, control in self.by_name.items():
            control.add_class(f"ruf-option-{name}")
        observe(list(self.by_name.values()), changed)
        super().__init__([widgets.HTML("<b>Options</b>"), *self.by_name.values()])

    def options(self) -> Options:
        """What the controls say."""
        return Options(**{name: control.value for name, control in self.by_name.items()})


def option_flags(options: Options, landmarks: str = "mesh") -> list[str]:
    """The flags with which any of the commands swaps with these options; a command does without what no flag asks for.

    landmarks: a landmarker's name; of one that no command knows nothing is said.
    """
    flags = []
    for f in dataclasses.fields(Options):
        value = getattr(options, f.name)
        if value is True:
            flags.append(f"--{f.name}")
        elif value is not False and value != f.default:
            flags += [f"--{f.name}", f"{value:g}" if isinstance(value, float) else value]
    default, *others = LANDMARKERS
    return flags + (["--landmarks", landmarks] if landmarks in others else [])


def plain_command(program: str, files: dict[str, str], options: Options, landmarks: str, *more: str) -> str:
    """The command that does the same. files: {flag: path}; landmarks: as for `option_flags`; more: other flags."""
    paths = [part for flag, path in files.items() for part in (flag, str(path))]
    return shlex.join(["python", *program.split(), *paths, *more, *option_flags(options, landmarks)])


def command_html(command: str, note: str = "") -> str:
    """A command for copying, as the panels show it."""
    return f"The plain command{note}: <code>{html.escape(command)}</code>"

"""The options as the panels' controls, and as the plain commands that do what the panels do."""

from __future__ import annotations

import dataclasses
import html
import shlex
from pathlib import Path

import ipywidgets as widgets

from faceswap.cli.photo import build_parser, options_from
from faceswap.find.landmarkers import LANDMARKERS
from faceswap.swap import Options

NARROW = {"description_width": "110px"}  # of an option's name


def option_control(f: dataclasses.Field) -> widgets.Widget:
    """The widget for one field of `Options`."""
    common = dict(description=f.name, style=NARROW, tooltip=f.metadata["help"], layout=widgets.Layout(width="340px"))
    allowed = f.metadata["allowed"]
    if isinstance(f.default, bool):
        return widgets.Checkbox(value=f.default, **common)
    if isinstance(f.default, str):
        return widgets.Dropdown(options=allowed, value=f.default, **common)
    return widgets.FloatSlider(f.default, min=allowed[0], max=allowed[1], step=0.01, **common)


def option_flags(options: Options, landmarks: str = "mesh") -> list[str]:
    """The flags with which any of the commands swaps with these options.

    landmarks: a landmarker's name; of one that no command knows nothing is said.
    """
    arguments = build_parser().parse_args(["--dst", ""])
    by_default, flags = options_from(arguments), []
    for name, value in options.as_dict().items():
        if value is True:
            flags.append(f"--{name}")
        elif value != getattr(by_default, name):
            flags += [f"--{name}", f"{value:g}" if isinstance(value, float) else str(value)]
    if landmarks in LANDMARKERS and landmarks != arguments.landmarks:
        flags += ["--landmarks", landmarks]
    return flags


def plain_command(
    src: str | Path,
    dst: str | Path,
    out: str | Path,
    options: Options,
    face: int | str = "all",
    landmarks: str = "mesh",
) -> str:
    """The command that does the same. face: "all" or a number from 0; landmarks: as for `option_flags`."""
    files = ["--src", str(src), "--dst", str(dst), "--out", str(out)]
    which = [] if face == "all" else ["--face", str(face)]
    flags = [*which, *option_flags(options, landmarks), "--no_debug_window"]
    return shlex.join(["python", "faceswap/main.py", *files, *flags])


def command_html(command: str, note: str = "") -> str:
    """A command for copying, as the panels show it."""
    return f"The plain command{note}: <code>{html.escape(command)}</code>"

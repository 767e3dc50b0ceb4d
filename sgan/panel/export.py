"""What the face panel writes: the shown face, its persona, the grid of styles, the generator."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import ipywidgets as widgets

from panels.parts import LABEL, button
from provenance import GENERATED, Mark, write_bytes, write_image
from sgan.faces.persona import make_persona, save_persona
from sgan.panel.tabs.mix import MixTab
from sgan.weights.checkpoint import find_checkpoint, save_generator


def _write_picture(panel: Any, path: Path) -> None:
    write_image(path, panel.face.picture, Mark(GENERATED, panel.face.settings()))


def _write_persona(panel: Any, path: Path) -> None:
    face = panel.face
    save_persona(make_persona(face.G, face.ws, face.settings(), face.picture), path)


def _write_grid(panel: Any, path: Path) -> None:
    mix = panel.part(MixTab)
    write_image(path, mix.picture(), Mark(GENERATED, mix.settings()))


def _write_generator(panel: Any, path: Path) -> None:
    """A copy where it is a file of its own already, so that its personas fit."""
    G = panel.face.G
    if G.meta["kind"] == "generator":
        write_bytes(path, find_checkpoint(panel.checkpoint.value).read_bytes())
    else:
        kept = {name: value for name, value in G.meta.items() if name not in ("kind", "config")}
        save_generator(G, path, kept, step=G.trained_step)


class Export(NamedTuple):
    """A button that writes a file: `write(panel, path)`, and what its name ends in."""

    write: Callable[[Any, Path], None]
    help: str
    suffix: str


EXPORTS = {
    "picture": Export(_write_picture, help="the shown face, marked as synthetic", suffix=".png"),
    "persona": Export(_write_persona, help="a small file from which the same person comes again", suffix=".json"),
    "grid of styles": Export(_write_grid, help="the grid of Mix styles, marked as synthetic", suffix="-styles.png"),
    "generator": Export(_write_generator, help="the generator as a file of its own", suffix=".safetensors"),
}


class ExportRow(widgets.HBox):
    """A name and a button for each export. panel: the FacePanel; out: folder that is written to."""

    def __init__(self, panel: Any, out: str | Path):
        self.panel, self.out = panel, Path(out)
        self.name = widgets.Text("face", description="save as", style=LABEL)
        super().__init__([self.name, *map(self._button, EXPORTS)], layout=widgets.Layout(flex_flow="row wrap"))

    def _button(self, kind: str) -> widgets.Button:
        made = button(kind, lambda: self.panel.message.attempt(lambda: self.write(kind)), "download")
        made.tooltip = EXPORTS[kind].help
        return made

    def path(self, suffix: str) -> Path:
        """Where an export goes: the given name with that ending."""
        self.panel.face.need_generator()
        name = Path(self.name.value).name or "face"
        return self.out / f"{name.removesuffix(suffix)}{suffix}"

    def write(self, kind: str) -> Path:
        """Writes one of EXPORTS and says so; returns the path."""
        path = self.path(EXPORTS[kind].suffix)
        EXPORTS[kind].write(self.panel, path)
        self.panel.message.say(f"written: {path}")
        return path

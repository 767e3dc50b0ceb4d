"""A look inside a generator: one face and its shape, the tabs beside it, and what can be taken along."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TypeVar

import ipywidgets as widgets
import numpy as np

from panels.messages import Message
from panels.pages import Panel, Shown
from panels.parts import button, labelled, observe, wrapped
from panels.pictures import smooth_enlarge
from sgan.config import DEFAULT_CHECKPOINT
from sgan.faces.editing import load_directions
from sgan.faces.persona import load_persona
from sgan.launch.device import resolve_device
from sgan.launch.folder import newest_state
from sgan.panel.export import ExportRow
from sgan.panel.tabs import TABS
from sgan.panel.tabs.person import SHOWN_SIDE, Candidate, Person
from sgan.weights.checkpoint import GENERATOR_NAME, find_checkpoint, load_generator
from sgan.weights.foreign import CheckpointError

Part = TypeVar("Part", bound=widgets.Widget)


def newest_checkpoint(run_dir: str | Path, otherwise: str | Path) -> str:
    """`run_dir` when a checkpoint is there, else the other one."""
    try:
        find_checkpoint(run_dir)
    except CheckpointError:
        return str(otherwise)
    return str(run_dir)


class Faces(Panel):
    """A page around one face; what a notebook asks of the page is done by the face."""

    face: Person

    def load_generator(self, checkpoint: str) -> None:
        """Shows the faces of the generator in a file or folder."""
        G = load_generator(checkpoint, resolve_device("auto"))
        self.face.take(G, load_directions(checkpoint, G))

    def on_face(self, callback: Callable[[np.ndarray, dict], None]) -> None:
        """Calls back with (uint8 [R, R, 3] RGB, settings) now and whenever another face is shown."""
        self.face.on_face(callback)

    def candidates(self, n: int) -> Iterator[tuple[Candidate, np.ndarray]]:
        """n faces with the settings of the moment, as (key, uint8 [R, R, 3] RGB)."""
        return self.face.candidates(n)

    def show_candidate(self, key: Candidate) -> None:
        """Shows one of them."""
        self.face.show_candidate(key)

    def as_text(self) -> str:
        """Which face is shown."""
        if self.face.G is None:
            return "no face is loaded"
        return ", ".join(f"{name} {value}" for name, value in self.face.settings().items())


class FacePanel(Faces):
    """Faces of a checkpoint by seed and sliders; `on_face(callback)` tells others about the one that is shown.

    checkpoint: file or folder; out: folder for exports; folder: of the training pictures, to look for the nearest;
    run: folder where a training writes, whose newest state a button takes.
    """

    def __init__(
        self, checkpoint: str = DEFAULT_CHECKPOINT, out: str = "results", seed: int = 7, folder: str = "", run: str = ""
    ):
        self.folder, self.run_dir, self.message = str(folder), Path(run), Message()
        self.checkpoint = widgets.Text(checkpoint, continuous_update=False, **labelled("checkpoint", 520))
        self.checkpoint.tooltip = "file or folder of a checkpoint"
        observe([self.checkpoint], self.load)
        self.newest = button("newest of the training", lambda: self.message.attempt(self.take_newest), "refresh")
        self.newest.layout = widgets.Layout(width="auto", display=None if self.run_dir.name else "none")
        self.face = Person(self.message, seed)
        tabs = [self.face, *(tab.kind(self) for tab in TABS.values())]
        self.tabs = widgets.Tab(tabs, titles=["One face", *TABS])
        self.export = ExportRow(self, out)
        source = wrapped(self.checkpoint, self.newest, self.face.upload)
        super().__init__([source, self.tabs, self.export, self.message])
        self.add_class("ruf-faces")
        self.load()

    def part(self, kind: type[Part]) -> Part:
        """The tab of that kind."""
        return next(tab for tab in self.tabs.children if isinstance(tab, kind))

    def load(self) -> None:
        """Loads the checkpoint and shows its face and mixed styles."""
        self.message.attempt(self._load)

    def _load(self) -> None:
        self.message.say("")
        self.load_generator(self.checkpoint.value)
        self.message.say("; ".join(self.face.G.notes))

    def take_newest(self) -> None:
        """Loads what the training has written last."""
        files = [self.run_dir / GENERATOR_NAME, newest_state(self.run_dir)]
        files = [file for file in files if file is not None and file.exists()]
        if not files:
            raise ValueError(f"nothing is saved in {self.run_dir} yet; a training saves every save_every images")
        newest = str(max(files, key=lambda file: file.stat().st_mtime))
        if self.checkpoint.value == newest:
            self.load()
        self.checkpoint.value = newest

    def load_persona(self, path: str | Path) -> None:
        """Shows the person in a persona file."""
        self.face.take_persona(load_persona(path))

    def shown(self) -> Shown:
        """The face as text and picture."""
        picture = self.face.picture
        return Shown(self.as_text(), None if picture is None else smooth_enlarge(picture, SHOWN_SIDE))

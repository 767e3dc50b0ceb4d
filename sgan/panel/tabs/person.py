"""One face of a generator and what shapes it: the first tab, and all that a page for strangers has."""

import secrets
from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

import ipywidgets as widgets
import numpy as np

from panels.messages import Message
from panels.parts import LABEL, ImageView, labelled, observe
from panels.pictures import smooth_enlarge, to_png
from panels.work import OnMainThread
from sgan.faces.drawer import Drawer
from sgan.faces.editing import NamedDirection
from sgan.faces.persona import MAX_BYTES, Persona, PersonaError, read_persona
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.panel.tabs.directions import Directions

SLIDER_SEEDS = 9999  # the slider's end; a box takes any seed
SHOWN_SIDE = 384  # pixels
BEFORE_SIDE = 160  # of the face without steps along directions


class Candidate(NamedTuple):
    """How a face of `candidates` was drawn."""

    seed: int
    psi: float
    noise: bool
    label: int  # its class
    checkpoint: str  # SHA-256

    def __str__(self) -> str:
        return f"seed {self.seed}"


class ClassChoice(widgets.BoundedIntText):
    """A box for the number of the class, unseen for a generator without; `offer` one first."""

    def __init__(self):
        layout = widgets.Layout(width="270px", display="none")
        super().__init__(0, min=0, max=0, description="class", style=LABEL, layout=layout)
        self.tooltip = "the network was trained on pictures of several classes and draws one of them at a time"
        self.classes = 0

    def offer(self, G: Drawer) -> None:
        """Shows itself where the generator has classes; a class that it has as well stays chosen."""
        self.classes = G.config.c_dim
        self.max = max(self.classes - 1, 0)
        self.layout.display = None if self.classes else "none"
        self.description = f"class (0 to {self.max})"
        self.apply(G)

    def apply(self, G: Drawer) -> None:
        """Lets the generator draw the chosen class. A browser can set the end of the range too: nothing lies beyond."""
        if self.classes:
            G.label = min(max(self.value, 0), self.classes - 1)

    def settings(self, G: Drawer) -> dict[str, Any]:
        """{"class": its number} for a picture's mark, {} of a generator without classes."""
        return {"class": G.label} if G.config.c_dim else {}


class Person(widgets.HBox):
    """A face by seed and sliders. Others hear of it by `on_face`, and by `on_cast` of another generator or class.

    message: tells what goes wrong; seed: of the first person. `upload` takes a persona; the page shows it where it
    likes.
    """

    def __init__(self, message: Message, seed: int):
        self.message = message
        self.G: Drawer | None = None
        self.persona: Persona | None = None
        self.picture: np.ndarray | None = None
        self.ws: np.ndarray | None = None
        self.face_listeners: list[Callable[[np.ndarray, dict], None]] = []
        self.cast_listeners: list[Callable[[], None]] = []
        self.quiet = False
        side = widgets.Layout(width=f"{SHOWN_SIDE}px", height=f"{SHOWN_SIDE}px", object_fit="contain")
        self.image, self.before = ImageView(format="png", layout=side), widgets.Image(format="png")
        small = dict.fromkeys(("width", "height"), f"{BEFORE_SIDE}px")
        self.before.layout = widgets.Layout(**small, object_fit="contain", display="none")
        row = widgets.Layout(flex_flow="row wrap", grid_gap="16px")
        super().__init__([self.image, widgets.VBox(self._controls(seed)), self.before], layout=row)

    def _controls(self, seed: int) -> list[widgets.Widget]:
        """Makes the controls and says what each of them sets off."""
        self.seed = widgets.IntSlider(seed, 0, max(SLIDER_SEEDS, seed), **labelled("seed"))
        self.seed.tooltip = "number of the person; the same number is always the same person"
        self.psi = widgets.FloatSlider(0.7, min=-1, max=1.5, step=0.05, **labelled("truncation_psi"))
        self.psi.tooltip = "1: full variety; towards 0: the mean face; below 0: the opposite person"
        self.noise = widgets.Checkbox(True, description="noise (fine detail such as hair)", indent=False)
        self.surprise = widgets.Button(description="surprise me", icon="random", button_style="info")
        self.surprise.on_click(lambda _: self.surprise_me())
        self.class_choice, self.recast = ClassChoice(), OnMainThread(lambda: self.message.attempt(self._recast))
        self.class_choice.observe(self._class_moved, "value")
        for control in (self.seed, self.psi):
            control.observe(self._leave_persona, "value")
        self.redraw = observe([self.seed, self.psi, self.noise], self._moved)
        self.directions = Directions(self.redraw)
        self.upload = widgets.FileUpload(accept=".json", description="load a persona")
        self.upload.layout.width = "auto"
        observe([self.upload], lambda: self.message.attempt(self._take_upload))
        buttons = widgets.HBox([self.surprise, self.noise])
        return [self.class_choice, self.seed, self.psi, buttons, self.directions]

    def on_face(self, callback: Callable[[np.ndarray, dict], None]) -> None:
        """Calls back with (uint8 [R, R, 3] RGB, settings) now and whenever another face is shown."""
        self.face_listeners.append(callback)
        if self.picture is not None:
            callback(self.picture, self.settings())

    def on_cast(self, callback: Callable[[], None]) -> None:
        """Calls back when another generator or class draws."""
        self.cast_listeners.append(callback)

    def take(self, G: Drawer, named: list[NamedDirection]) -> None:
        """Draws with another generator, whose directions with names come first."""
        self.G, self.persona, self.quiet = G, None, True
        self.class_choice.offer(G)
        self.directions.offer(G, named)
        self.quiet = False
        self._show_cast()

    def _show_cast(self) -> None:
        self.draw()
        for callback in self.cast_listeners:
            callback()

    def _class_moved(self, *_: Any) -> None:
        if not self.quiet and self.G is not None:
            self.persona = None
            self.recast()

    def _recast(self) -> None:
        """Draws with another class; directions were measured on the faces of the one before."""
        self.class_choice.apply(self.G)
        self.directions.forget()
        self._show_cast()

    def _put_class(self, label: Any) -> None:
        """Chooses a class without drawing it; None leaves it, and what is no class too."""
        if type(label) is int and 0 <= label < self.class_choice.classes:  # True is no class
            self.class_choice.value = label
            self.class_choice.apply(self.G)
            self.directions.forget()

    def _leave_persona(self, *_: Any) -> None:
        if not self.quiet:
            self.persona = None

    def surprise_me(self) -> None:
        """Moves on to a random person."""
        self.seed.value = secrets.randbelow(SLIDER_SEEDS + 1)

    def _moved(self) -> None:
        if not self.quiet and self.G is not None:
            self.directions.read()
            self.message.attempt(self.draw)

    def draw(self) -> None:
        """Draws the face that the controls describe."""
        G = self.need_generator()
        plain = self.persona.ws_for(G) if self.persona else seeds_to_ws(G, [self.seed.value], self.psi.value)
        self.ws = self.directions.apply(plain)
        self.picture = next(self.draw_ws(self.ws))
        self.image.value = to_png(smooth_enlarge(self.picture, SHOWN_SIDE))
        self.before.layout.display = None if self.directions.edits() else "none"
        if self.directions.edits():
            self.before.value = to_png(smooth_enlarge(next(self.draw_ws(plain)), BEFORE_SIDE))
        for callback in self.face_listeners:
            callback(self.picture, self.settings())

    def draw_ws(self, ws: np.ndarray) -> Iterator[np.ndarray]:
        """The faces of ws [N, num_ws, w_dim], with noise as the box says, each uint8 [R, R, 3] RGB."""
        return draw_images(self.G, ws, self.noise_mode, self.G.trained_step)

    @property
    def noise_mode(self) -> str:
        """What the noise box says."""
        return "const" if self.noise.value else "none"

    def cast_settings(self) -> dict[str, Any]:
        """What draws, for the mark of pictures of several people."""
        made = {"checkpoint": self.G.checkpoint_hash, "truncation_psi": self.psi.value, "noise_mode": self.noise_mode}
        return made | self.class_choice.settings(self.G)

    def settings(self) -> dict[str, Any]:
        """How the shown face was made, for its mark."""
        made = {"checkpoint": self.G.checkpoint_hash, "noise_mode": self.noise_mode}
        if self.persona:
            made["persona"] = dict(self.persona.settings)
        else:
            made |= {"seed": self.seed.value, "truncation_psi": self.psi.value} | self.class_choice.settings(self.G)
        edits = self.directions.edits()
        return made | ({"edits": [vars(edit) for edit in edits]} if edits else {})

    def _take_upload(self) -> None:
        for file in self.upload.value[:1]:
            if len(file.content) > MAX_BYTES:
                raise PersonaError(f"{file.name} is too large to be a persona")
            self.take_persona(read_persona(bytes(file.content), file.name))

    def take_persona(self, persona: Persona) -> None:
        """Shows a person; PersonaError when it is of another checkpoint."""
        if self.G is None:
            raise ValueError("load the persona's checkpoint first")
        persona.ws_for(self.G)
        self.persona, self.quiet = persona, True
        self.directions.clear()
        self.noise.value = persona.settings.get("noise_mode", "const") == "const"
        self._put_class(persona.settings.get("class"))
        self.quiet = False
        self.draw()
        self.message.say("the persona's face is shown; moving seed or truncation_psi leaves it")

    def candidates(self, n: int) -> Iterator[tuple[Candidate, np.ndarray]]:
        """n faces of the loaded generator with the settings of the moment, as (key, uint8 [R, R, 3] RGB)."""
        G, psi, noise = self.need_generator(), self.psi.value, self.noise.value
        label = G.label
        for seed in range(n):
            G.label = label  # the user may look at another class meanwhile
            picture = next(draw_images(G, seeds_to_ws(G, [seed], psi), "const" if noise else "none", G.trained_step))
            self.class_choice.apply(G)
            yield Candidate(seed, psi, noise, label, G.checkpoint_hash), picture

    def show_candidate(self, key: Candidate) -> None:
        """Shows one of them, as it was drawn: without steps along directions."""
        self.message.attempt(lambda: self._take_candidate(key))

    def _take_candidate(self, key: Candidate) -> None:
        if key.checkpoint != self.need_generator().checkpoint_hash:
            raise ValueError("that face is of the checkpoint before; look for faces that fit again")
        self.persona, self.quiet = None, True
        self.directions.clear()
        self.seed.value, self.psi.value, self.noise.value = key.seed, key.psi, key.noise
        self._put_class(key.label)
        self.quiet = False
        self.redraw()

    def need_generator(self) -> Drawer:
        """The generator; ValueError while none is loaded."""
        if self.G is None:
            raise ValueError("load a checkpoint first")
        return self.G

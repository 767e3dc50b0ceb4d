"""A look inside a generator: one face and its shape, mixed styles, a walk, and what can be taken along."""

import secrets
from collections.abc import Callable
from pathlib import Path
from typing import Any

import ipywidgets as widgets
import numpy as np
from torch import Tensor

from panels import LABEL, ImageView, Message, OnMainThread, Panel, Shown, enlarge, smooth_enlarge, to_png
from sgan.cli.sample import DEFAULT_CHECKPOINT
from sgan.faces.editing import KINDS, RANGES, Edit, NamedDirection, NamedEdit, apply_edits, layers_of, load_directions
from sgan.faces.persona import Persona, load_persona, read_persona
from sgan.faces.sampling import draw_images, mixed_ws, seeds_to_ws
from sgan.launch.run import newest_state, resolve_device
from sgan.networks.generator import Generator
from sgan.panel.candidates import Candidates
from sgan.panel.classes import ClassChoice, Classes
from sgan.panel.export import Exports
from sgan.panel.nearest import NearestTab
from sgan.panel.walk import WalkTab
from sgan.viz import make_grid
from sgan.weights.checkpoint import GENERATOR_NAME, load_generator

SLIDER_SEEDS = 9999  # the slider's end; a box takes any seed
SHOWN_SIDE = 384  # pixels
SLIDERS = 8  # directions offered at once
NAMED = "by name"  # the kind of directions that come with a checkpoint
DIRECTIONS = [(f"from {kind}", kind) for kind in KINDS]
REACH = 4.0  # standard deviations in either direction
MIX_ROWS, MIX_COLUMNS = 4, 5


class FacePanel(Candidates, Classes, Exports, Panel):
    """Faces of a checkpoint by seed and sliders; `on_face(callback)` tells others about the one that is shown.

    checkpoint: file or folder; out: folder for exports; folder: of the training pictures, to look for the nearest;
    run: folder where a training writes, whose newest state a button takes.
    """

    def __init__(
        self, checkpoint: str = DEFAULT_CHECKPOINT, out: str = "results", seed: int = 7, folder: str = "", run: str = ""
    ):
        self.run_dir = Path(run)
        self.out, self.G, self.found = Path(out), None, {}
        self.persona: Persona | None = None
        self.amounts: dict[tuple[str, str], list[float]] = {}
        self.named: list[NamedDirection] = []
        self.listeners: list[Callable[[np.ndarray, dict], None]] = []
        self.picture: np.ndarray | None = None
        self.ws: Tensor | None = None
        self.quiet = False
        self._build(checkpoint, seed, str(folder))
        super().__init__([self.source, self.tabs, self.export, self.message])
        self.add_class("ruf-faces")
        self.load()

    def _build(self, checkpoint: str, seed: int, folder: str) -> None:
        """Makes the widgets and says what each of them sets off."""
        self.message = Message()
        wide, auto = widgets.Layout(width="520px"), widgets.Layout(width="auto")
        self.checkpoint = widgets.Text(checkpoint, description="checkpoint", style=LABEL, layout=wide)
        self.checkpoint.continuous_update = False
        self.checkpoint.tooltip = "file or folder of a checkpoint"
        self.checkpoint.observe(OnMainThread(self.load), "value")
        self.upload = widgets.FileUpload(accept=".json", description="load a persona", layout=auto)
        self.upload.observe(OnMainThread(self._take_upload), "value")
        self.newest = widgets.Button(description="newest of the training", icon="refresh", layout=auto)
        self.newest.on_click(OnMainThread(lambda: self.attempt(self.take_newest)))
        self.newest.layout.display = None if self.run_dir.name else "none"
        self.source = widgets.HBox([self.checkpoint, self.newest, self.upload])
        self.source.layout.flex_flow = "row wrap"
        self.walk = WalkTab(self)
        self.nearest = NearestTab(self, folder)
        pages = [self._build_face(seed), self._build_mix(), self.walk, self.nearest]
        self.tabs = widgets.Tab(pages, titles=["One face", "Mix styles", "Walk", "Nearest"])
        self.name = widgets.Text("face", description="save as", style=LABEL)
        buttons = {"picture": self.save_picture, "persona": self.save_persona, "grid of styles": self.save_mix}
        buttons["generator"] = self.save_generator
        made = [widgets.Button(description=text, icon="download") for text in buttons]
        for button, work in zip(made, buttons.values()):
            button.on_click(OnMainThread(lambda work=work: self.attempt(work)))
        self.export = widgets.HBox([self.name, *made], layout=widgets.Layout(flex_flow="row wrap"))

    def _build_face(self, seed: int) -> widgets.Widget:
        wide = dict(style=LABEL, layout=widgets.Layout(width="440px"))
        self.seed = widgets.IntSlider(seed, 0, max(SLIDER_SEEDS, seed), description="seed", **wide)
        self.seed.tooltip = "number of the person; the same number is always the same person"
        self.psi = widgets.FloatSlider(0.7, min=-1, max=1.5, step=0.05, description="truncation_psi", **wide)
        self.psi.tooltip = "1: full variety; towards 0: the mean face; below 0: the opposite person"
        self.class_choice = ClassChoice()
        self.recast = OnMainThread(lambda: self.attempt(self._change_class))
        self.class_choice.observe(self._class_moved, "value")
        self.noise = widgets.Checkbox(True, description="noise (fine detail such as hair)", indent=False)
        self.surprise = widgets.Button(description="surprise me", icon="random", button_style="info")
        self.surprise.on_click(lambda _: self.surprise_me())
        self.kind = widgets.ToggleButtons(options=DIRECTIONS, description="directions", style=LABEL)
        self.layers = widgets.ToggleButtons(options=list(RANGES), description="layers", style=LABEL)
        span = dict(min=-REACH, max=REACH, step=0.1, readout_format=".1f")
        self.sliders = [
            widgets.FloatSlider(0, description=f"direction {i + 1}", **span, **wide) for i in range(SLIDERS)
        ]
        self.reset = widgets.Button(description="undo all", icon="undo")
        self.reset.on_click(OnMainThread(self.clear_edits))
        self.redraw, turn = OnMainThread(self._moved), OnMainThread(self._show_amounts)
        for control in (self.seed, self.psi):
            control.observe(self._leave_persona, "value")
        for control in (self.seed, self.psi, self.noise, *self.sliders):
            control.observe(self.redraw, "value")
        for control in (self.kind, self.layers):
            control.observe(turn, "value")
        side = widgets.Layout(width=f"{SHOWN_SIDE}px", height=f"{SHOWN_SIDE}px", object_fit="contain")
        self.image, self.before = ImageView(format="png", layout=side), widgets.Image(format="png")
        self.before.layout = widgets.Layout(width="160px", height="160px", object_fit="contain", display="none")
        top = [self.class_choice, self.seed, self.psi, widgets.HBox([self.surprise, self.noise])]
        shape = [widgets.HTML("<b>Shape</b>"), self.kind, self.layers, *self.sliders, self.reset]
        row = widgets.Layout(flex_flow="row wrap", grid_gap="16px")
        return widgets.HBox([self.image, widgets.VBox([*top, *shape]), self.before], layout=row)

    def _build_mix(self) -> widgets.Widget:
        wide = dict(style=LABEL, layout=widgets.Layout(width="440px"))
        self.mix_rows = widgets.Text("0 1 2 3", description="people (rows)", continuous_update=False, **wide)
        self.mix_columns = widgets.Text("4 5 6 7 8", description="styles (columns)", continuous_update=False, **wide)
        self.mix_layers = widgets.ToggleButtons(
            options=[name for name in RANGES if name != "all"], description="take over", style=LABEL
        )
        self.mix_layers.tooltips = ["pose and shape", "features and hair", "colour and texture"]
        self.mix_button = widgets.Button(description="new people", icon="random")
        self.mix_button.on_click(lambda _: self._new_mix())
        self.mix = ImageView(format="png", layout=widgets.Layout(max_width="640px", object_fit="contain"))
        redraw = OnMainThread(lambda: self.attempt(self.draw_mix))
        for control in (self.mix_rows, self.mix_columns, self.mix_layers):
            control.observe(redraw, "value")
        return widgets.VBox([self.mix_rows, self.mix_columns, self.mix_layers, self.mix_button, self.mix])

    def on_face(self, callback: Callable[[np.ndarray, dict], None]) -> None:
        """Calls back with (uint8 [R, R, 3] RGB, settings) now and whenever another face is shown."""
        self.listeners.append(callback)
        if self.picture is not None:
            callback(self.picture, self.settings())

    def attempt(self, work: Callable[[], Any]) -> None:
        """Does something, telling in the panel what went wrong."""
        self.message.forget_failure()
        try:
            work()
        except (OSError, ValueError, RuntimeError) as error:
            self.message.fail(error)

    def load(self) -> None:
        """Loads the checkpoint and shows its face and mixed styles."""
        self.attempt(self._load)

    def _load(self) -> None:
        self.message.value = ""
        self.G, self.found, self.persona = load_generator(self.checkpoint.value, resolve_device("auto")), {}, None
        self._offer_class()
        self.layers.options = [name for name in RANGES if layers_of(self.G.config, name)]
        self._offer_named(load_directions(self.checkpoint.value, self.G)[:SLIDERS])
        self._show_loaded()
        self.message.say("; ".join(self.G.notes))

    def _offer_named(self, named: list[NamedDirection]) -> None:
        """Lets the sliders be those directions first, where there are any."""
        self.named = named
        self.amounts = {key: amounts for key, amounts in self.amounts.items() if key[0] != NAMED}
        self.quiet = True
        self.kind.options = [("named", NAMED), *DIRECTIONS] if named else DIRECTIONS
        looked_at = ["looked at and named"] if named else []
        self.kind.tooltips = [*looked_at, "from the generator's weights", "from the spread of its faces"]
        self.kind.value = NAMED if named else KINDS[0]
        self.quiet = False
        self._show_amounts()

    def _show_loaded(self) -> None:
        self.mix_layers.options = [name for name in self.layers.options if name != "all"]
        self.draw()
        self.draw_mix()

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

    def _leave_persona(self, *_: Any) -> None:
        if not self.quiet:
            self.persona = None

    def surprise_me(self) -> None:
        """Moves on to a random person."""
        self.seed.value = secrets.randbelow(SLIDER_SEEDS + 1)

    def edits(self) -> list[Edit | NamedEdit]:
        """The steps that the direction sliders stand for."""
        return [
            NamedEdit(self.named[index].name, amount) if kind == NAMED else Edit(kind, layers, index, amount)
            for (kind, layers), amounts in self.amounts.items()
            for index, amount in enumerate(amounts)
            if amount and (kind == NAMED or layers_of(self.G.config, layers))
        ]

    def clear_edits(self) -> None:
        """Puts all direction sliders back to 0."""
        self.amounts.clear()
        self._show_amounts()
        self.attempt(self.draw)

    def _show_amounts(self) -> None:
        """Lets the sliders show the steps along the chosen kind of directions."""
        self.quiet, by_name = True, self.kind.value == NAMED
        self.layers.layout.display = "none" if by_name else None
        for i, (slider, amount) in enumerate(zip(self.sliders, self.amounts.get(self._key(), [0.0] * SLIDERS))):
            direction = self.named[i] if by_name and i < len(self.named) else None
            slider.layout.display = "none" if by_name and direction is None else None
            slider.description = direction.name if direction else f"direction {i + 1}"
            slider.value = 0.0  # lies in every range
            slider.min, slider.max = (direction.low, direction.high) if direction else (-REACH, REACH)
            slider.value = amount
        self.quiet = False

    def _key(self) -> tuple[str, str]:
        """What the sliders stand for: a kind of directions and a range of layers."""
        return (NAMED, "") if self.kind.value == NAMED else (self.kind.value, self.layers.value)

    def _moved(self) -> None:
        if self.quiet or self.G is None:
            return
        # A browser may answer -4e-16 where the range does not start on the raster of the steps.
        self.amounts[self._key()] = [round(slider.value, 2) for slider in self.sliders]
        self.attempt(self.draw)

    def draw(self) -> None:
        """Draws the face that the controls describe."""
        G, noise = self.need_generator(), self.noise_mode
        plain = self.persona.tensor(G) if self.persona else seeds_to_ws(G, [self.seed.value], self.psi.value)
        edits = self.edits()
        self.ws = apply_edits(G, plain, edits, self.found, self.named)
        self.picture = next(draw_images(G, self.ws, noise, G.trained_step))
        self.image.value = to_png(smooth_enlarge(self.picture, SHOWN_SIDE))
        self.before.layout.display = None if edits else "none"
        if edits:
            self.before.value = to_png(smooth_enlarge(next(draw_images(G, plain, noise, G.trained_step)), 160))
        for callback in self.listeners:
            callback(self.picture, self.settings())

    @property
    def noise_mode(self) -> str:
        """What the noise box says."""
        return "const" if self.noise.value else "none"

    def settings(self) -> dict[str, Any]:
        """How the shown face was made, for its mark."""
        made = {"checkpoint": self.G.checkpoint_hash, "noise_mode": self.noise_mode}
        if self.persona:
            made["persona"] = dict(self.persona.settings)
        else:
            made |= {"seed": self.seed.value, "truncation_psi": self.psi.value} | self.class_choice.settings(self.G)
        if self.edits():
            made["edits"] = [vars(edit) for edit in self.edits()]
        return made

    def mix_seeds(self) -> tuple[list[int], list[int]]:
        """(rows, columns) of the style mixing grid."""
        return tuple(
            [int(part) for part in box.value.replace(",", " ").split()] for box in (self.mix_rows, self.mix_columns)
        )

    def mixed_layers(self) -> list[int]:
        """Layers that take the second style in the grid."""
        return layers_of(self.G.config, self.mix_layers.value) if self.mix_layers.value else []

    def _new_mix(self) -> None:
        for box, count in ((self.mix_rows, MIX_ROWS), (self.mix_columns, MIX_COLUMNS)):
            box.value = " ".join(str(secrets.randbelow(SLIDER_SEEDS + 1)) for _ in range(count))

    def mix_picture(self) -> np.ndarray:
        """The grid of the paper (arXiv 1812.04948, figure 3): people down, styles across, mixtures between them."""
        G, psi = self.need_generator(), self.psi.value
        rows, columns = self.mix_seeds()
        if not rows or not columns or min(rows + columns) < 0 or len(rows) * len(columns) > 144:
            raise ValueError("give some seeds (whole numbers from 0) for rows and columns, at most 144 mixtures")
        mixed = mixed_ws(G, rows, columns, self.mixed_layers(), psi)
        people, styles = seeds_to_ws(G, rows, psi), seeds_to_ws(G, columns, psi)
        side = 2 ** (G.trained_step + 2)
        cells = [np.full((side, side, 3), 255, np.uint8), *draw_images(G, styles, self.noise_mode, G.trained_step)]
        for person, row in zip(people, mixed):
            cells += [*draw_images(G, person[None], self.noise_mode, G.trained_step)]
            cells += [*draw_images(G, row, self.noise_mode, G.trained_step)]
        return make_grid(np.stack(cells), len(columns) + 1)

    def draw_mix(self) -> None:
        """Draws the style mixing grid."""
        self.mix.value = to_png(enlarge(self.mix_picture(), 480))

    def _take_upload(self) -> None:
        if self.upload.value:
            file = self.upload.value[0]
            self.attempt(lambda: self.take_persona(read_persona(bytes(file.content), file.name)))

    def load_persona(self, path: str | Path) -> None:
        """Shows the person in a persona file."""
        self.take_persona(load_persona(path))

    def take_persona(self, persona: Persona) -> None:
        """Shows a person; PersonaError when it is of another checkpoint."""
        if self.G is None:
            raise ValueError("load the persona's checkpoint first")
        persona.tensor(self.G)
        self.persona, self.amounts = persona, {}
        self._show_amounts()
        self.quiet, noise = True, persona.settings.get("noise_mode", "const")
        self.noise.value = noise == "const"
        self._put_class(persona.settings.get("class"))
        self.quiet = False
        self.draw()
        self.message.say("the persona's face is shown; moving seed or truncation_psi leaves it")

    def need_generator(self) -> Generator:
        """The generator; ValueError while none is loaded."""
        if self.G is None:
            raise ValueError("load a checkpoint first")
        return self.G

    def shown(self) -> Shown:
        """The face as text and picture."""
        return Shown(self.as_text(), None if self.picture is None else smooth_enlarge(self.picture, SHOWN_SIDE))

    def as_text(self) -> str:
        """Which face is shown."""
        if self.G is None:
            return f"no face: {self.checkpoint.value} is not loaded"
        return ", ".join(f"{name} {value}" for name, value in self.settings().items())

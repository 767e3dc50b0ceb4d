"""Sliders that step along directions in w: those that have names, and those found in weights or samples."""

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets
import numpy as np

from panels.parts import LABEL, button, labelled, observe
from sgan.faces.drawer import Drawer
from sgan.faces.editing import KINDS, RANGES, Edit, NamedDirection, NamedEdit, apply_edits, layers_of

SLIDERS = 8  # directions offered at once
NAMED = "by name"  # the kind of directions that come with a checkpoint
DIRECTIONS = [(f"from {kind}", kind) for kind in KINDS]
REACH = 4.0  # standard deviations in either direction


class Directions(widgets.VBox):
    """Which directions, and how far along each; `offer` a generator first.

    moved: called back, from whatever thread, when a slider was moved or all was undone; then `read`.
    """

    def __init__(self, moved: Callable[[], Any]):
        self.moved, self.quiet = moved, False
        self.G: Drawer | None = None
        self.named: list[NamedDirection] = []
        self.found: dict = {}  # directions that were measured
        self.amounts: dict[tuple[str, str], list[float]] = {}
        self.kind = widgets.ToggleButtons(options=DIRECTIONS, description="directions", style=LABEL)
        self.layers = widgets.ToggleButtons(options=list(RANGES), description="layers", style=LABEL)
        span = dict(min=-REACH, max=REACH, step=0.1, readout_format=".1f")
        self.sliders = [widgets.FloatSlider(0, **span, **labelled(f"direction {i + 1}")) for i in range(SLIDERS)]
        for slider in self.sliders:
            slider.observe(self._slid, "value")
        self.reset = button("undo all", lambda: (self.clear(), moved()), "undo")
        observe([self.kind, self.layers], self._show_amounts)
        title = widgets.HTML("<b>Shape</b>")
        super().__init__([title, self.kind, self.layers, *self.sliders, self.reset])

    def offer(self, G: Drawer, named: list[NamedDirection]) -> None:
        """Takes another generator; its directions with names come first, where there are any."""
        self.G, self.named = G, named[:SLIDERS]
        self.forget()
        self.layers.options = [name for name in RANGES if layers_of(G.config, name)]
        self.amounts = {key: amounts for key, amounts in self.amounts.items() if key[0] != NAMED}
        self.kind.options = [("named", NAMED), *DIRECTIONS] if named else DIRECTIONS
        looked_at = ["looked at and named"] if named else []
        self.kind.tooltips = [*looked_at, "from the generator's weights", "from the spread of its faces"]
        self.kind.value = NAMED if named else KINDS[0]
        self._show_amounts()

    def forget(self) -> None:
        """Lets directions be measured anew."""
        self.found = {}

    def clear(self) -> None:
        """Puts all sliders back to 0."""
        self.amounts = {}
        self._show_amounts()

    def edits(self) -> list[Edit | NamedEdit]:
        """The steps that the sliders stand for."""
        return [
            NamedEdit(self.named[index].name, amount) if kind == NAMED else Edit(kind, layers, index, amount)
            for (kind, layers), amounts in self.amounts.items()
            for index, amount in enumerate(amounts)
            if amount and (kind == NAMED or layers_of(self.G.config, layers))
        ]

    def apply(self, ws: np.ndarray) -> np.ndarray:
        """ws [N, num_ws, w_dim] after those steps."""
        return apply_edits(self.G, ws, self.edits(), self.found, self.named)

    def _slid(self, *_: Any) -> None:
        if not self.quiet:
            self.moved()

    def read(self) -> None:
        """Takes the sliders' places as steps along the chosen kind of directions."""
        # A browser may answer -4e-16 where the range does not start on the raster of the steps.
        self.amounts[self._key()] = [round(slider.value, 2) for slider in self.sliders]

    def _key(self) -> tuple[str, str]:
        """What the sliders stand for: a kind of directions and a range of layers."""
        return (NAMED, "") if self.kind.value == NAMED else (self.kind.value, self.layers.value)

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

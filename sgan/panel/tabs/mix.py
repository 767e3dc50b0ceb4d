"""Mixed styles as a grid: people down, styles across."""

import secrets
from typing import Any

import ipywidgets as widgets
import numpy as np

from panels.parts import LABEL, ImageView, labelled, observe
from panels.pictures import enlarge, to_png
from sgan.config import resolution_of
from sgan.faces.editing import RANGES, layers_of
from sgan.faces.sampling import mixed_ws, seeds_to_ws
from sgan.panel.tabs.person import SLIDER_SEEDS
from sgan.viz import make_grid

ROWS, COLUMNS = 4, 5
MOST = 144  # mixtures


class MixTab(widgets.VBox):
    """Seeds for rows and columns, the layers that are taken over, and the grid. panel: the FacePanel."""

    def __init__(self, panel: Any):
        self.panel = panel
        self.rows = widgets.Text("0 1 2 3", continuous_update=False, **labelled("people (rows)"))
        self.columns = widgets.Text("4 5 6 7 8", continuous_update=False, **labelled("styles (columns)"))
        names = [name for name in RANGES if name != "all"]
        self.layers = widgets.ToggleButtons(options=names, description="take over", style=LABEL)
        self.layers.tooltips = ["pose and shape", "features and hair", "colour and texture"]
        self.button = widgets.Button(description="new people", icon="random")
        self.button.on_click(lambda _: self._new_people())
        self.image = ImageView(format="png", layout=widgets.Layout(max_width="640px", object_fit="contain"))
        observe([self.rows, self.columns, self.layers], lambda: panel.message.attempt(self.draw))
        panel.face.on_cast(self._take_cast)
        super().__init__([self.rows, self.columns, self.layers, self.button, self.image])

    def _take_cast(self) -> None:
        config = self.panel.face.G.config
        self.layers.options = [name for name in RANGES if name != "all" and layers_of(config, name)]
        self.draw()

    def seeds(self) -> tuple[list[int], list[int]]:
        """(rows, columns)."""
        return tuple([int(part) for part in box.value.replace(",", " ").split()] for box in (self.rows, self.columns))

    def mixed_layers(self) -> list[int]:
        """Layers that take the second style."""
        return layers_of(self.panel.face.G.config, self.layers.value) if self.layers.value else []

    def _new_people(self) -> None:
        for box, count in ((self.rows, ROWS), (self.columns, COLUMNS)):
            box.value = " ".join(str(secrets.randbelow(SLIDER_SEEDS + 1)) for _ in range(count))

    def picture(self) -> np.ndarray:
        """The grid of the paper (arXiv 1812.04948, figure 3): people down, styles across, mixtures between them."""
        face = self.panel.face
        G, psi, (rows, columns) = face.need_generator(), face.psi.value, self.seeds()
        if not rows or not columns or min(rows + columns) < 0 or len(rows) * len(columns) > MOST:
            raise ValueError(f"give some seeds (whole numbers from 0) for rows and columns, at most {MOST} mixtures")
        mixed = mixed_ws(G, rows, columns, self.mixed_layers(), psi)
        people, styles = seeds_to_ws(G, rows, psi), seeds_to_ws(G, columns, psi)
        side = resolution_of(G.trained_step)
        cells = [np.full((side, side, 3), 255, np.uint8), *face.draw_ws(styles)]
        for person, row in zip(people, mixed):
            cells += [*face.draw_ws(person[None]), *face.draw_ws(row)]
        return make_grid(np.stack(cells), len(columns) + 1)

    def settings(self) -> dict[str, Any]:
        """How the grid was made, for its mark."""
        rows, columns = self.seeds()
        return self.panel.face.cast_settings() | {
            "seeds": rows, "mix_seeds": columns, "style_mixing": self.mixed_layers(),
        }  # fmt: skip

    def draw(self) -> None:
        """Draws the grid."""
        self.image.value = to_png(enlarge(self.picture(), 480))

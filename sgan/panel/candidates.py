"""The faces of a generator one after the other, for somebody to choose from, and the chosen one shown again."""

from collections.abc import Callable, Iterator
from typing import NamedTuple

import ipywidgets as widgets
import numpy as np

from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.networks.generator import Generator
from sgan.panel.classes import ClassChoice


class Candidate(NamedTuple):
    """How a face of `candidates` was drawn."""

    seed: int
    psi: float
    noise: bool
    label: int  # its class
    checkpoint: str  # SHA-256

    def __str__(self) -> str:
        return f"seed {self.seed}"


class Candidates:
    """The part of a FacePanel that offers faces and shows the one that was taken."""

    G: Generator | None
    seed: widgets.IntSlider
    psi: widgets.FloatSlider
    noise: widgets.Checkbox
    class_choice: ClassChoice
    redraw: Callable[..., None]

    def candidates(self, n: int) -> Iterator[tuple[Candidate, np.ndarray]]:
        """n faces of the loaded generator with the settings of the moment, as (key, uint8 [R, R, 3] RGB)."""
        G, psi, noise = self.need_generator(), self.psi.value, self.noise.value
        label = G.mapping.label
        for seed in range(n):
            G.mapping.label = label  # the user may look at another class meanwhile
            picture = next(draw_images(G, seeds_to_ws(G, [seed], psi), "const" if noise else "none", G.trained_step))
            self.class_choice.apply(G)
            yield Candidate(seed, psi, noise, label, G.checkpoint_hash), picture

    def show_candidate(self, key: Candidate) -> None:
        """Shows one of them, as it was drawn: without steps along directions."""
        self.attempt(lambda: self._take_candidate(key))

    def _take_candidate(self, key: Candidate) -> None:
        if key.checkpoint != self.need_generator().checkpoint_hash:
            raise ValueError("that face is of the checkpoint before; look for faces that fit again")
        self.persona = None
        self.amounts.clear()
        self._show_amounts()
        self.quiet = True
        self.seed.value, self.psi.value, self.noise.value = key.seed, key.psi, key.noise
        self._put_class(key.label)
        self.quiet = False
        self.redraw()

"""Find a face that fits: many candidates measured against the photo, the best shown, one taken by a click."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import numpy as np

from faceswap.jobs.match import Look, measure_look, misfit
from faceswap.jobs.sheet import fit_within
from faceswap.panel.swap import Swap
from graphs.silence import silent_libraries
from panels.pages import JobPanel
from panels.parts import button, labelled, wrapped
from panels.pictures import to_jpeg

BEST = 12
MOST = 1000  # candidates
KEPT = 2 * MOST  # looks that are remembered, for another photo or a second try
SAY_EVERY = 10  # candidates
SIDE = 112  # of a shown candidate, pixels


class FitPanel(JobPanel):
    """Ranks generated faces by how well pose, light and skin tone fit the photo of a swap panel.

    candidates(n): yields n pairs of a hashable key and a uint8 [R, R, 3] RGB picture; choose(key): takes one.
    """

    kept = "what was measured is kept"

    def __init__(self, swap: Swap, candidates: Callable[[int], Iterator], choose: Callable[[Any], None]):
        super().__init__(swap.message.details)
        self.swap, self.candidates, self.choose = swap, candidates, choose
        self.looks: dict[Any, Look | None] = {}  # of candidates measured before, the oldest first
        self.best: list[tuple[float, Any, bytes]] = []  # misfit, key, JPEG
        self.seen, self.without = 0, 0
        self.count = widgets.IntSlider(200, min=20, max=MOST, step=20, **labelled("candidates"))
        self.start.description, self.start.icon, self.start.button_style = "find a face that fits", "search", "info"
        self.start.layout.width = "auto"
        self.shown_best = wrapped()
        self.children = [wrapped(self.count, self.start, self.stop_button), self.bar, self.shown_best, self.message]
        self.add_class("ruf-fit")

    def work(self) -> Iterator[Any]:
        """The keys of the candidates, each measured; then the best are shown."""
        self.seen = self.bar.value = 0
        self.bar.max = min(self.count.value, MOST)  # a browser can set both the slider's value and its end
        target = self.target()
        self.best, self.without = [], 0
        with silent_libraries():
            yield from self._measuring(self.bar.max, target)
        self._show_best()

    def target(self) -> Look:
        """The look of the first chosen face of the photo; ValueError when there is none."""
        chosen = self.swap.choice.chosen_faces()
        if not chosen:
            raise ValueError("choose a photo and a face in it first")
        look = measure_look(self.swap.target.rgb, chosen[0])
        if look is None:
            raise ValueError("the photo shows too little of the face to measure it")
        return look

    def _measuring(self, n: int, target: Look) -> Iterator[Any]:
        """The keys of n candidates; what was measured before is not measured again."""
        for key, picture in self.candidates(n):
            if self.stopped:
                return
            if key not in self.looks:
                found = self.swap.landmarker.find(picture)
                self.looks[key] = measure_look(picture, found[0]) if found else None
                if len(self.looks) > KEPT:
                    del self.looks[next(iter(self.looks))]
            self._consider(key, picture, target)
            yield key

    def _consider(self, key: Any, picture: np.ndarray, target: Look) -> None:
        """Keeps a candidate with its picture as long as it is one of the best."""
        look = self.looks[key]
        if look is None:
            self.without += 1
            return
        value = misfit(target, look)
        if len(self.best) < BEST or value < self.best[-1][0]:
            self.best.append((value, key, to_jpeg(fit_within(picture, SIDE, SIDE))))
            self.best.sort(key=lambda candidate: candidate[0])
            del self.best[BEST:]

    def show(self, key: Any) -> None:
        """Counts a candidate."""
        self.seen += 1
        self.bar.value = self.seen
        if self.seen % SAY_EVERY == 0:
            self.message.say(f"{self.seen} of {self.bar.max} looked at")

    def _show_best(self) -> None:
        """Shows the best, each with a button that takes it."""
        cells = []
        for value, key, jpeg in self.best:
            picture = widgets.Image(value=jpeg, format="jpeg")
            take = button(f"take ({value:.1f})", lambda key=key: self.choose(key))
            take.layout.width = f"{SIDE}px"
            take.tooltip = f"{key}; 0: fits perfectly; from 1 on a difference is noticed"
            cells.append(widgets.VBox([picture, take]))
        self.shown_best.children = cells
        text = f"{self.seen} candidates, {self.without} without a clear face; the smaller the number the better"
        self.message.say(f"stopped early: {text}" if self.stopped else text)

    def as_text(self) -> str:
        """The best, if there are some."""
        return ", ".join(f"{key}: {value:.2f}" for value, key, _ in self.best) or "no face was looked for yet"

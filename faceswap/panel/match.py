"""Find a face that fits: many candidates measured against the photo, the best shown, one taken by a click."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from typing import Any

import ipywidgets as widgets
import numpy as np

from faceswap.find.landmarks import silent_libraries
from faceswap.jobs.match import Look, measure_look, misfit
from faceswap.jobs.sheet import fit_within
from faceswap.panel import SwapPanel
from panels import LABEL, Message, OnMainThread, Panel, TaskStarter, show_all, to_jpeg

BEST = 12
MOST = 1000  # candidates
KEPT = 2 * MOST  # looks that are remembered, for another photo or a second try
SAY_EVERY = 10  # candidates
SIDE = 112  # of a shown candidate, pixels


class FitPanel(Panel):
    """Ranks generated faces by how well pose, light and skin tone fit the photo of a swap panel.

    candidates(n): yields n pairs of a hashable key and a uint8 [R, R, 3] RGB picture; choose(key): takes one.
    """

    def __init__(self, swap: SwapPanel, candidates: Callable[[int], Iterator], choose: Callable[[Any], None]):
        self.swap, self.candidates, self.choose = swap, candidates, choose
        self.looks: dict[Any, Look | None] = {}  # of candidates measured before, the oldest first
        self.best: list[tuple[float, Any, bytes]] = []  # misfit, key, JPEG
        self.stopped, self.seen, self.without = False, 0, 0
        wide = widgets.Layout(width="440px")
        self.count = widgets.IntSlider(
            200, min=20, max=MOST, step=20, description="candidates", style=LABEL, layout=wide
        )
        self.button = widgets.Button(description="find a face that fits", icon="search", button_style="info")
        self.button.layout.width = "auto"
        self.stop_button = widgets.Button(description="Stop", icon="stop", disabled=True)
        self.button.on_click(TaskStarter(self.run))
        self.stop_button.on_click(lambda _: self.stop())
        self.bar = widgets.IntProgress(min=0, max=1, layout=widgets.Layout(width="99%"))
        self.shown_best = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        self.message = Message(details=swap.message.details)
        top = widgets.HBox([self.count, self.button, self.stop_button], layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([top, self.bar, self.shown_best, self.message])
        self.add_class("ruf-fit")

    def stop(self) -> None:
        """Ends the search; the best so far are shown."""
        self.stopped = True

    async def run(self) -> FitPanel:
        """Searches; the panel then shows the best. What is wrong is told in it."""
        self.stopped, self.seen, self.message.value = False, 0, ""
        self.button.disabled, self.stop_button.disabled = True, False
        n = min(self.count.value, MOST)  # a browser can set both the slider's value and its end
        self.bar.max, self.bar.value = n, 0
        try:
            target = self.target()
            self.best, self.without = [], 0
            with silent_libraries():
                await show_all(self._measuring(n, target), self._count)
            self._show_best()
        except (OSError, ValueError, RuntimeError) as error:
            self.message.fail(error)
        except (asyncio.CancelledError, KeyboardInterrupt):
            self.message.say("interrupted")
            raise
        finally:
            self.button.disabled, self.stop_button.disabled = False, True
        return self

    def target(self) -> Look:
        """The look of the first chosen face of the photo; ValueError when there is none."""
        chosen = self.swap.chosen()
        if self.swap.target is None or not chosen:
            raise ValueError("choose a photo and a face in it first")
        look = measure_look(self.swap.target.rgb, self.swap.found[chosen[0]])
        if look is None:
            raise ValueError("the photo shows too little of the face to measure it")
        return look

    def _measuring(self, n: int, target: Look) -> Iterator[Any]:
        """The keys of the candidates, each measured; what was measured before is not measured again."""
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

    def _count(self, key: Any) -> None:
        self.seen += 1
        self.bar.value = self.seen
        if self.seen % SAY_EVERY == 0:
            self.message.say(f"{self.seen} of {self.bar.max} looked at")

    def _show_best(self) -> None:
        """Shows the best, each with a button that takes it."""
        cells = []
        for value, key, jpeg in self.best:
            picture = widgets.Image(value=jpeg, format="jpeg")
            take = widgets.Button(description=f"take ({value:.1f})", layout=widgets.Layout(width=f"{SIDE}px"))
            take.tooltip = f"{key}; 0: fits perfectly; from 1 on a difference is noticed"
            take.on_click(OnMainThread(lambda key=key: self.choose(key)))
            cells.append(widgets.VBox([picture, take]))
        self.shown_best.children = cells
        text = f"{self.seen} candidates, {self.without} without a clear face; the smaller the number the better"
        self.message.say(f"stopped early: {text}" if self.stopped else text)

    def as_text(self) -> str:
        """The best, if there are some."""
        return ", ".join(f"{key}: {value:.2f}" for value, key, _ in self.best) or "no face was looked for yet"

"""Which class is drawn by a network that tells classes apart; unseen for one that does not."""

from collections.abc import Callable
from typing import Any

import ipywidgets as widgets

from panels import LABEL
from sgan.networks.generator import Generator


class ClassChoice(widgets.BoundedIntText):
    """A box for the number of the class. `offer` a generator first, then `apply` and `settings` speak of it."""

    def __init__(self):
        layout = widgets.Layout(width="270px", display="none")
        super().__init__(0, min=0, max=0, description="class", style=LABEL, layout=layout)
        self.tooltip = "the network was trained on pictures of several classes and draws one of them at a time"
        self.classes = 0

    def offer(self, G: Generator) -> None:
        """Shows itself where the generator has classes; a class that it has as well stays chosen."""
        self.classes = G.config.c_dim
        self.max = max(self.classes - 1, 0)
        self.layout.display = None if self.classes else "none"
        self.description = f"class (0 to {self.max})"
        self.apply(G)

    def apply(self, G: Generator) -> None:
        """Lets the generator draw the chosen class. A browser can set the end of the range too: nothing lies beyond."""
        if self.classes:
            G.mapping.label = min(max(self.value, 0), self.classes - 1)

    def settings(self, G: Generator) -> dict[str, Any]:
        """{"class": its number} for a picture's mark, {} of a generator without classes."""
        return {"class": G.mapping.label} if G.config.c_dim else {}


class Classes:
    """The part of a FacePanel that says which class is drawn."""

    G: Generator | None
    class_choice: ClassChoice
    quiet: bool
    recast: Callable[..., None]

    def _offer_class(self) -> None:
        self.quiet = True
        self.class_choice.offer(self.G)
        self.quiet = False

    def _put_class(self, label: Any) -> None:
        """Chooses a class without drawing it; None leaves it, and what is no class too."""
        if type(label) is int and 0 <= label < self.class_choice.classes:  # True is no class
            self.class_choice.value = label
            self.class_choice.apply(self.G)
            self.found = {}

    def _class_moved(self, *_: Any) -> None:
        if not self.quiet and self.G is not None:
            self.persona = None
            self.recast()

    def _change_class(self) -> None:
        """Draws with another class; directions were measured on the faces of the one before."""
        self.class_choice.apply(self.G)
        self.found = {}
        self._show_loaded()

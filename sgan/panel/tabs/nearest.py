"""The shown face looked for among the training pictures."""

from typing import Any

import ipywidgets as widgets

from panels.parts import button, labelled
from panels.pictures import enlarge, to_png
from sgan.config import resolution_of
from sgan.data.dataset import open_dataset
from sgan.faces.nearest import SIDE, nearest_images

SHOWN = 128  # side of a shown picture, pixels


class NearestTab(widgets.VBox):
    """A folder, a button, and the training pictures nearest to the face that `panel`, the FacePanel, shows."""

    def __init__(self, panel: Any):
        self.panel = panel
        self.folder = widgets.Text(panel.folder, **labelled("training pictures", 520))
        self.folder.tooltip = "folder or zip that the checkpoint was trained on"
        self.button = button("find the nearest", lambda: panel.message.attempt(self.find), "search", wide=True)
        self.row = widgets.HBox(layout=widgets.Layout(flex_flow="row wrap"))
        super().__init__([widgets.HBox([self.folder, self.button]), self.row])

    def find(self) -> None:
        """Shows the face and the training pictures nearest to it."""
        face, message = self.panel.face, self.panel.message
        G = face.need_generator()
        if not self.folder.value:
            raise ValueError("give the folder of pictures that the checkpoint was trained on")
        message.say("looking through the pictures; the first time they are decoded, which takes a while")
        dataset = open_dataset(self.folder.value, G.config.resolution)
        order, distances = nearest_images(dataset.pixels[min(SIDE, G.config.resolution)], face.picture)
        cells = [(face.picture, "this face")]
        for index, distance in zip(order, distances):
            picture = dataset.pixels[resolution_of(G.trained_step)][index]
            cells.append((picture, f"{dataset.names[index]}: {distance:.0f}"))
        layout = widgets.Layout(width=f"{SHOWN}px", object_fit="contain")
        self.row.children = [
            widgets.VBox([widgets.Image(value=to_png(enlarge(picture, SHOWN)), layout=layout), widgets.Label(text)])
            for picture, text in cells
        ]
        message.say("the number is the distance: the smaller, the more alike")

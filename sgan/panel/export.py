"""What the face panel writes: the shown face, its persona, the grid of styles, the generator."""

from pathlib import Path

import ipywidgets as widgets
import numpy as np
from torch import Tensor

from panels import Message
from provenance import GENERATED, Mark, write_image
from sgan.faces.persona import make_persona, save_persona
from sgan.networks.generator import Generator
from sgan.weights.checkpoint import find_checkpoint, save_generator, write_bytes


class Exports:
    """The saving part of a FacePanel; each method writes a file, says so in the panel and returns the path."""

    G: Generator | None
    out: Path
    name: widgets.Text
    checkpoint: widgets.Text
    message: Message
    picture: np.ndarray
    ws: Tensor

    def export_path(self, suffix: str) -> Path:
        """Where an export goes: the given name with that ending."""
        self.need_generator()
        name = Path(self.name.value).name or "face"
        return self.out / f"{name.removesuffix(suffix)}{suffix}"

    def save_picture(self) -> Path:
        """Writes the face as PNG with its mark; returns the path."""
        path = self.export_path(".png")
        write_image(path, self.picture, Mark(GENERATED, self.settings()))
        self.message.say(f"written: {path}")
        return path

    def save_persona(self) -> Path:
        """Writes the persona of the face; returns the path."""
        path = self.export_path(".json")
        save_persona(make_persona(self.G, self.ws, self.settings(), self.picture), path)
        self.message.say(f"written: {path}")
        return path

    def save_mix(self) -> Path:
        """Writes the style mixing grid as PNG with its mark; returns the path."""
        path = self.export_path("-styles.png")
        rows, columns = self.mix_seeds()
        settings = {"checkpoint": self.G.checkpoint_hash, "seeds": rows, "mix_seeds": columns}
        settings |= {"style_mixing": self.mixed_layers(), "truncation_psi": self.psi.value}
        settings |= {"noise_mode": self.noise_mode} | self.class_choice.settings(self.G)
        write_image(path, self.mix_picture(), Mark(GENERATED, settings))
        self.message.say(f"written: {path}")
        return path

    def save_generator(self) -> Path:
        """Writes the generator as a file of its own: a copy where it is one already, so that its personas fit."""
        path, source = self.export_path(".safetensors"), find_checkpoint(self.checkpoint.value)
        if self.G.meta["kind"] == "generator":
            write_bytes(path, source.read_bytes())
        else:
            kept = {name: value for name, value in self.G.meta.items() if name not in ("kind", "config")}
            save_generator(self.G, path, kept, step=self.G.trained_step)
        self.message.say(f"written: {path}")
        return path

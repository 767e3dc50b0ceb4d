"""What a training leaves in its folder for people to look at."""

import io
import json
import time
from collections.abc import Iterator
from contextlib import nullcontext, suppress
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from tensorboardX import SummaryWriter
from torch import Tensor

from provenance import GENERATED, Mark, write_bytes, write_image
from sgan.config import TrainConfig, resolution_of, to_dict
from sgan.events import Changed, Event, Finished, Grid, Measured, RolledBack, Stats
from sgan.faces.sampling import seed_to_z
from sgan.training.keeper import LOGS, read_rows, truncate_rows
from sgan.training.state import TrainState
from sgan.viz import plot_losses
from sgan.weights.checkpoint import save_generator
from sgan.weights.files import GENERATOR_NAME, file_hash

GRID_SAMPLES = 36
GRID_SEED = 0
PATHS = ("_path", "resume_from")  # settings that say where things lay: not for a file that travels
PLOT_SECONDS = 10.0  # drawing the plot takes a quarter of a second: not more often than this


class Recorder:
    """Writes what a run shows into its folder: grid-<nimg>.jpg, losses.png, event files of TensorBoard, and at the end
    generator.safetensors with generator.json."""

    def __init__(self, run_dir: Path, state: TrainState):
        run_dir.mkdir(parents=True, exist_ok=True)
        self.run_dir, self.state = run_dir, state
        self.history = read_rows(run_dir / "stats.jsonl", state.nimg)
        self.marks = [(row["nimg"] / 1000, _patch_text(row["patch"])) for row in state.journal]
        for name in LOGS:
            truncate_rows(run_dir / name, state.nimg)
        self.plotted = -PLOT_SECONDS
        self.board = SummaryWriter(str(run_dir / "tensorboard"), purge_step=state.nimg + 1)

    def __call__(self, event: Event) -> None:
        """Takes one event."""
        if isinstance(event, Stats):
            self.history.append({"nimg": event.nimg, **event.values})
            for name, value in event.values.items():
                self.board.add_scalar(name, value, event.nimg)
            if time.monotonic() - self.plotted >= PLOT_SECONDS:
                self.plot()
        elif isinstance(event, Measured):
            for name, value in event.values.items():
                if value is not None:  # 4x4 pictures are too small for some
                    self.board.add_scalar(f"metrics/{name}", value, event.nimg)
        elif isinstance(event, RolledBack):
            self.history = [row for row in self.history if row["nimg"] <= event.nimg]
            self.marks = [mark for mark in self.marks if mark[0] <= event.nimg / 1000]
            self.marks.append((event.nimg / 1000, "rolled back"))
        elif isinstance(event, Changed):
            self.marks.append((event.nimg / 1000, _patch_text(event.patch)))
        elif isinstance(event, Grid):
            write_grid(self.run_dir, event)
            self.board.add_image("samples", event.image, event.nimg, dataformats="HWC")
        elif isinstance(event, Finished):
            self.plot()
            if self.state.is_finite():
                self.export()
            self.board.close()

    def plot(self) -> None:
        """Draws losses.png from the whole history."""
        if self.history:
            png = io.BytesIO()
            Image.fromarray(plot_losses(self.history, self.marks)).save(png, "PNG")
            write_bytes(self.run_dir / "losses.png", png.getvalue())
            self.plotted = time.monotonic()

    def export(self) -> None:
        """Writes the moving average at the resolution reached so far as a generator file."""
        state = self.state
        level, alpha = state.config.schedule(state.nimg)
        level -= alpha < 1.0
        settings = {name: value for name, value in to_dict(state.config).items() if not name.endswith(PATHS)}
        meta = {"nimg": state.nimg, "training": settings | to_dict(state.hparams), "history": state.journal}
        path = save_generator(state.G_ema, self.run_dir / GENERATOR_NAME, meta, step=level)
        described = {
            **meta,
            "sha256": file_hash(path),
            "resolution": resolution_of(level),
        }
        write_bytes(path.with_suffix(".json"), (json.dumps(described, indent=1) + "\n").encode())


def grid_latents(config: TrainConfig) -> Tensor:
    """z [GRID_SAMPLES, z_dim] of a run's grids."""
    return torch.from_numpy(np.concatenate([seed_to_z(GRID_SEED + i, config.z_dim) for i in range(GRID_SAMPLES)]))


def write_grid(run_dir: Path, grid: Grid) -> None:
    """Writes grid-<nimg>.jpg, marked as made by a program."""
    mark = Mark(GENERATED, {"nimg": grid.nimg, "seeds": [GRID_SEED, GRID_SEED + GRID_SAMPLES - 1]})
    write_image(run_dir / f"grid-{grid.nimg:09d}.jpg", grid.image, mark)


def _patch_text(patch: dict) -> str:
    return ", ".join(f"{name} {value}" for name, value in patch.items())


def recorded(events: Iterator[Event], recorder: Recorder | None) -> Iterator[Event]:
    """The events, each shown to the recorder first. A disk that refuses costs a picture, not the training; only the
    generator at the end must be written."""
    try:
        for event in events:
            if recorder is not None:
                with nullcontext() if isinstance(event, Finished) else suppress(OSError):
                    recorder(event)
            yield event
    finally:
        if hasattr(events, "close"):
            events.close()

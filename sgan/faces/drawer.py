"""What draws faces from styles, with PyTorch or without: sampling, editing, walks and panels do not care which.

Latents and styles are numpy arrays here: z [N, z_dim], w [N, w_dim], ws [N, num_ws, w_dim], all float32.
"""

from __future__ import annotations

import glob
import secrets
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np

from sgan.config import NO_TORCH, ModelConfig, resolution_of
from sgan.faces.normals import TorchNormals
from sgan.networks.light import SYNTHESIS, LightMapping, part_of
from sgan.viz import to_levels, to_uint8
from sgan.weights.files import (
    CheckpointError,
    TorchNeeded,
    check_sizes,
    config_of,
    drawn_step,
    file_hash,
    find_checkpoint,
    is_ours,
    newer_note,
    read_generator,
)

if TYPE_CHECKING:
    import torch

    from sgan.networks.generator import Generator

LARGE = 512  # pixels from which on a GPU draws faster than it starts


class Drawer(Protocol):
    """A generator ready to draw.

    meta is the header of a file of ours, checkpoint_hash the SHA-256 of the file, trained_step the last layer that has
    faded in, notes what to tell the user about it, label the class that is meant, w_avg the mean w [w_dim].
    """

    config: ModelConfig
    meta: dict[str, Any]
    checkpoint_hash: str
    trained_step: int
    notes: list[str]
    label: int
    w_avg: np.ndarray

    def map(self, z: np.ndarray) -> np.ndarray:
        """w [N, w_dim] of z [N, z_dim]."""

    def draw(self, ws: np.ndarray, noise_mode: str, step: int | None, seed: int | None) -> np.ndarray:
        """A uint8 [R, R, 3] RGB picture of ws [num_ws, w_dim], R = 2^(step+2) (None: all layers).

        noise_mode is "const", "random" or "none"; seed that of the random noise (None: it is new every time).
        """

    def style_weights(self, layer: int) -> np.ndarray:
        """[channels, w_dim]: what w is multiplied by in the convolutions of a layer."""


def open_drawer(path: str | Path, device: str = "auto") -> Drawer:
    """The generator of a file or folder, as `load_generator` finds it, on a device.

    On a CPU numpy alone draws files of ours. PyTorch draws what numpy cannot read, and where the device asks for it;
    "auto" does that for large pictures where there is an NVIDIA GPU. CheckpointError when the file cannot be used, or
    takes PyTorch and there is none.
    """
    file = find_checkpoint(path)
    if device in ("auto", "cpu") and is_ours(file):
        try:
            light = LightDrawer(file, newer_note(path, file))
        except TorchNeeded:
            pass
        else:
            if device == "cpu" or light.config.resolution < LARGE or not _has_gpu():
                return light
    if find_spec("torch") is None:
        raise CheckpointError(f"{file} on device {device} {NO_TORCH}")
    from sgan.networks.device import resolve_device
    from sgan.weights.checkpoint import load_generator

    return TorchDrawer(load_generator(path, resolve_device(device)))


def _has_gpu() -> bool:
    """Whether PyTorch may find an NVIDIA GPU, without waiting for it."""
    return find_spec("torch") is not None and bool(glob.glob("/dev/nvidia[0-9]*") or glob.glob("/dev/dxg"))


class LightDrawer:
    """A Drawer by numpy alone, of a checkpoint file of ours."""

    def __init__(self, path: Path, notes: list[str]):
        tensors, self.meta = read_generator(path)
        self.config = config_of(ModelConfig, self.meta, path)
        check_sizes(self.config, tensors, path)
        self.trained_step, self.notes, self.label = drawn_step(self.meta, path), notes, 0
        self.checkpoint_hash, self.w_avg = file_hash(path), tensors["mapping.w_avg"]
        self.mapping = LightMapping(part_of(tensors, "mapping."), self.config)
        self.synthesis = SYNTHESIS[self.config.arch](part_of(tensors, "synthesis."), self.config)

    def map(self, z: np.ndarray) -> np.ndarray:
        """See Drawer."""
        return self.mapping(z, self.label)

    def draw(self, ws: np.ndarray, noise_mode: str, step: int | None, seed: int | None) -> np.ndarray:
        """See Drawer."""
        normals = TorchNormals(secrets.randbits(32) if seed is None else seed)
        noise = {"const": lambda own: own, "random": lambda own: normals(*own.shape), "none": lambda own: None}
        last = self.config.max_step if step is None else step
        image = self.synthesis(np.asarray(ws, np.float32), last - self.config.min_step + 1, noise[noise_mode])
        return to_levels(image).astype(np.uint8)

    def style_weights(self, layer: int) -> np.ndarray:
        """See Drawer."""
        return self.synthesis.style_weights(layer - self.config.min_step)


class TorchDrawer:
    """A Drawer by a PyTorch generator, whose attributes it has."""

    def __init__(self, G: Generator):
        self.G = G

    def __getattr__(self, name: str) -> Any:
        return getattr(self.G, name)

    @property
    def label(self) -> int:
        """The class that is meant."""
        return self.G.mapping.label

    @label.setter
    def label(self, value: int) -> None:
        self.G.mapping.label = value

    @property
    def w_avg(self) -> np.ndarray:
        """The mean w [w_dim]."""
        return self.G.mapping.w_avg.cpu().numpy()

    def tensor(self, array: np.ndarray) -> torch.Tensor:
        """An array, or a tensor, where the generator is."""
        import torch

        return torch.as_tensor(array, dtype=torch.float32, device=self.G.mapping.w_avg.device)

    def map(self, z: np.ndarray) -> np.ndarray:
        """See Drawer."""
        import torch

        with torch.no_grad():
            return self.G.mapping(self.tensor(z))[:, 0].cpu().numpy()

    def draw(self, ws: np.ndarray, noise_mode: str, step: int | None, seed: int | None) -> np.ndarray:
        """See Drawer."""
        import torch

        ws = self.tensor(ws)[None]
        cuda = [ws.device] if ws.is_cuda and seed is not None else []
        with torch.no_grad(), torch.random.fork_rng(cuda, enabled=seed is not None):
            if seed is not None:
                torch.manual_seed(seed)
            return to_uint8(self.G.synthesis(ws, step=step, noise_mode=noise_mode))[0]

    def style_weights(self, layer: int) -> np.ndarray:
        """See Drawer."""
        block = getattr(self.G.synthesis, f"b{resolution_of(layer)}")
        convs = [conv for name in ("conv0", "conv1") if (conv := getattr(block, name, None)) is not None]
        return np.concatenate([(conv.affine.weight * conv.affine.weight_gain).detach().cpu().numpy() for conv in convs])


def as_drawer(G: Drawer | Generator) -> Drawer:
    """G itself, or a PyTorch generator as a Drawer."""
    return G if hasattr(G, "draw") else TorchDrawer(G)

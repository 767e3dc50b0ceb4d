"""A persona: one small JSON file from which the same person comes again, on any machine with the same checkpoint."""

import base64
import io
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from provenance import write_bytes
from sgan.networks.generator import Generator

FORMAT = "random-unreal-face persona"
VERSION = 1
THUMBNAIL = 96  # side, pixels
MAX_BYTES = 8 * 2**20


class PersonaError(ValueError):
    """A persona file that cannot be used; the message names it and says why."""


@dataclass(frozen=True)
class Persona:
    """ws float32 [num_ws, w_dim] of one person, the SHA-256 of the checkpoint, and how the person was found.

    settings: seed, truncation_psi, noise_mode, edits; for people to read, `ws` alone decides. thumbnail: JPEG bytes.
    """

    checkpoint: str
    ws: np.ndarray
    settings: Mapping[str, Any] = field(default_factory=dict)
    thumbnail: bytes = b""

    def to_json(self) -> str:
        """The text of the file."""
        ws = np.ascontiguousarray(self.ws, "<f4")
        content = {
            "format": FORMAT,
            "version": VERSION,
            "checkpoint": self.checkpoint,
            "settings": dict(self.settings),
            "ws_shape": list(ws.shape),
            "ws_float32": base64.b64encode(ws.tobytes()).decode(),
            "thumbnail_jpeg": base64.b64encode(self.thumbnail).decode(),
        }
        return json.dumps(content, indent=1) + "\n"

    def tensor(self, G: Generator) -> Tensor:
        """ws [1, num_ws, w_dim] for this generator; PersonaError when the persona is of another checkpoint."""
        if self.checkpoint != G.checkpoint_hash:
            ours, theirs = G.checkpoint_hash[:12], self.checkpoint[:12]
            raise PersonaError(f"the persona belongs to checkpoint {theirs}..., but {ours}... is loaded; load that one")
        if self.ws.shape != (G.config.num_ws, G.config.dim_latent):
            raise PersonaError(
                f"the persona's latent has shape {list(self.ws.shape)}, which does not fit the checkpoint"
            )
        return torch.from_numpy(self.ws.copy())[None].to(G.mapping.w_avg.device)


def make_persona(G: Generator, ws: Tensor, settings: Mapping[str, Any], picture: np.ndarray) -> Persona:
    """The persona of ws [1, num_ws, w_dim], shown by a uint8 [R, R, 3] RGB picture."""
    small = Image.fromarray(picture).resize((THUMBNAIL, THUMBNAIL), Image.Resampling.LANCZOS)
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=85)
    return Persona(G.checkpoint_hash, ws[0].float().cpu().numpy(), dict(settings), buffer.getvalue())


def save_persona(persona: Persona, path: str | Path) -> Path:
    """Writes the JSON file and returns its path."""
    path = Path(path)
    write_bytes(path, persona.to_json().encode())
    return path


def load_persona(path: str | Path) -> Persona:
    """The persona in a file; PersonaError or FileNotFoundError naming it."""
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"{path} does not exist; give a persona file (.json)")
    if path.stat().st_size > MAX_BYTES:
        raise PersonaError(f"{path} is too large to be a persona")
    return read_persona(path.read_bytes(), str(path))


def read_persona(data: bytes, name: str = "the file") -> Persona:
    """The persona in the bytes of a file; safe on files of strangers."""
    try:
        content = json.loads(data)
        if not isinstance(content, dict) or content.get("format") != FORMAT:
            raise PersonaError(f"{name} is no persona of this project")
        if content["version"] > VERSION:
            raise PersonaError(f"{name} has version {content['version']}; update the project to read it")
        raw = base64.b64decode(content["ws_float32"], validate=True)
        ws = np.frombuffer(raw, "<f4").reshape(content["ws_shape"]).astype(np.float32)
        if ws.ndim != 2 or not np.isfinite(ws).all():
            raise ValueError("its latent is no finite [num_ws, w_dim] array")
        thumbnail = base64.b64decode(content.get("thumbnail_jpeg", ""), validate=True)
        return Persona(str(content["checkpoint"]), ws, dict(content["settings"]), thumbnail)
    except PersonaError:
        raise
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise PersonaError(f"{name} is a damaged persona ({error})") from None

"""Directions in w along which a face changes, found without labels, and steps along them."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from sgan.config import ModelConfig
from sgan.networks import Generator

KINDS = ("weights", "samples")
SAMPLES = 4096  # w whose spread is measured
# Layers by what they carry (arXiv 1812.04948, section 3.1): 4 to 8, 16 to 32, and 64 pixels upwards.
RANGES = {"all": range(0, 9), "coarse": range(0, 2), "middle": range(2, 4), "fine": range(4, 9)}


@dataclass(frozen=True)
class Directions:
    """Unit vectors [K, w_dim], strongest first, and the standard deviation [K] of w along each."""

    vectors: Tensor
    deviations: Tensor


@dataclass(frozen=True)
class Edit:
    """A step of `amount` standard deviations along direction `index` of a kind, in the layers of a range."""

    kind: str
    layers: str
    index: int
    amount: float


def layers_of(config: ModelConfig, name: str) -> list[int]:
    """Layers of this model in a range of RANGES; empty when it has none there."""
    return [layer for layer in RANGES[name] if config.min_step <= layer <= config.max_step]


@torch.no_grad()
def sample_w(G: Generator, n: int = SAMPLES) -> Tensor:
    """w [n, w_dim] of fixed latents, float32."""
    z = torch.from_numpy(np.random.RandomState(0).randn(n, G.config.z_dim)).float()
    return G.mapping(z.to(G.mapping.w_avg.device))[:, 0]


@torch.no_grad()
def find_directions(
    G: Generator, kind: str, layers: str = "all", count: int = 8, w: Tensor | None = None
) -> Directions:
    """The `count` strongest directions.

    kind "weights": eigenvectors of A^T A, A the style weights of the convolutions in those layers (closed-form
    factorisation, arXiv 2007.06600, equation 5). kind "samples": principal components of w (arXiv 2004.02546,
    section 2.1), the same for all layers. w [N, w_dim]: samples to measure on (None: drawn here).
    """
    w = sample_w(G) if w is None else w
    centred = w - w.mean(dim=0)
    if kind == "weights":
        A = torch.cat([_style_weights(G, layer) for layer in layers_of(G.config, layers)])
        matrix = A.t() @ A
    elif kind == "samples":
        matrix = centred.t() @ centred / len(w)
    else:
        raise ValueError(f"unknown kind of directions {kind!r}; there are {', '.join(KINDS)}")
    vectors = torch.linalg.eigh(matrix.double()).eigenvectors.flip(1).t()[:count].float()
    largest = vectors.gather(1, vectors.abs().argmax(dim=1, keepdim=True))
    vectors = vectors * largest.sign()  # an eigenvector's sign is arbitrary: the largest component is positive
    return Directions(vectors, (centred @ vectors.t()).std(dim=0))


def _style_weights(G: Generator, layer: int) -> Tensor:
    """[channels, w_dim]: what w is multiplied by in the convolutions of a layer."""
    block = getattr(G.synthesis, f"b{2 ** (layer + 2)}")
    convs = [conv for name in ("conv0", "conv1") if (conv := getattr(block, name, None)) is not None]
    return torch.cat([conv.affine.weight * conv.affine.weight_gain for conv in convs])


def apply_edits(G: Generator, ws: Tensor, edits: Sequence[Edit], found: dict | None = None) -> Tensor:
    """ws [N, num_ws, w_dim] after all steps. found caches directions by (kind, layers) between calls."""
    found = {} if found is None else found
    ws = ws.clone()
    for edit in edits:
        key = (edit.kind, edit.layers)
        if key not in found:
            found[key] = find_directions(G, *key)
        directions = found[key]
        move = directions.vectors[edit.index] * directions.deviations[edit.index] * edit.amount
        ws[:, style_indices(G.config, edit.layers)] += move
    return ws


def style_indices(config: ModelConfig, layers: str) -> list[int]:
    """Indices of the styles that the layers of a range consume, ascending."""
    return sorted({index for layer in layers_of(config, layers) for index in config.ws_of_layer(layer)})

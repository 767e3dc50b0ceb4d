"""Files of the detail network alone; a state of its training is read as well, of which its moving average."""

from pathlib import Path
from typing import Any

import torch

from sgan.networks.detail import DetailNetwork
from sgan.weights.checkpoint import load_network, read_tensors, write_tensors
from sgan.weights.files import CheckpointError, file_hash, find_checkpoint, newest_state, nimg_of, read_header

DETAIL_NAME = "detail.safetensors"
KIND, STATE_KIND = "detail", "detail state"


def save_detail_network(
    network: DetailNetwork, path: str | Path, meta: dict[str, Any], dtype: torch.dtype = torch.float32
) -> Path:
    """Writes the network alone (weights in `dtype`) with `meta` in its header; returns the path."""
    tensors = {name: tensor.to(dtype) for name, tensor in network.state_dict().items()}
    write_tensors(Path(path), tensors, {**meta, "kind": KIND, "network": network.built})
    return Path(path)


def load_detail_network(path: str | Path, device: torch.device | str = "cpu") -> DetailNetwork:
    """The network of a file, or of a folder: its newest state, or DETAIL_NAME unless that is older; float32, frozen.

    `checkpoint_hash` is the SHA-256 of the file. CheckpointError when it is missing, damaged or of another kind.
    """
    path = _find_network(Path(path))
    tensors, meta = read_tensors(path)
    if meta["kind"] not in (KIND, STATE_KIND):
        raise CheckpointError(f"{path} is a {meta['kind']}; a detail network is needed here")
    prefix = "G_ema." if meta["kind"] == STATE_KIND else ""
    try:
        network = DetailNetwork(**meta["network"])
    except (KeyError, TypeError, ValueError, RuntimeError, MemoryError) as error:
        raise CheckpointError(f"{path} describes no network that this version knows ({error})") from None
    load_network(network, {name: tensor.float() for name, tensor in tensors.items()}, prefix, path)
    network.checkpoint_hash = file_hash(path)
    return network.to(device).eval().requires_grad_(False)


def _find_network(path: Path) -> Path:
    """The file itself, or of a folder the one that was trained longest."""
    alone = path / DETAIL_NAME
    if not alone.is_file():
        return find_checkpoint(path, "state")
    newest = newest_state(path)
    return newest if newest and nimg_of(newest) > read_header(alone)[1].get("nimg", 0) else alone

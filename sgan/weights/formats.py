"""Which program a weight file comes from, by its content, and its networks in our names. Nothing in a file is run."""

import mmap
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import torch
from torch import Tensor

from sgan.config import ModelConfig
from sgan.networks.generator import MappingNetwork
from sgan.networks.shapes import misfit
from sgan.weights.files import CheckpointError, head_of
from sgan.weights.foreign import Foreign
from sgan.weights.nvidia import NVIDIA, is_nvidia, read_nvidia
from sgan.weights.pickles.torchfile import read_pickle_file, read_torch_legacy, read_torch_zip
from sgan.weights.pickles.unpickle import Refused
from sgan.weights.rosinality import ROSINALITY, is_rosinality, read_rosinality
from sgan.weights.siskon import SISKON, is_siskon, read_siskon

LICENCE_NOTE = (
    "weights made elsewhere: their licence and that of their training images say what you may do with pictures"
)
LEGACY_START = (
    b"\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickled number that torch.save wrote first before the zip format
)
W_AVG_SAMPLES, W_AVG_SEED = 10_000, 0
OTHER_FILES = {
    b"\x1f\x8b": "is compressed with gzip; unpack it first",
    b"BZh": "is compressed with bzip2; unpack it first",
    b"\xfd7zXZ": "is compressed with xz; unpack it first",
    b"7z\xbc\xaf": "is a 7z archive; unpack it first",
    b"Rar!": "is a rar archive; unpack it first",
    b"\x89HDF": "is an HDF5 file, not weights of a program known here",
    b"\x89PNG": "is a picture, not a file of weights",
    b"\xff\xd8\xff": "is a picture, not a file of weights",
    b"<": "is a web page, not a file of weights; the download went wrong",
    b"version https://git-lfs": "is a Git LFS pointer; fetch the file itself with `git lfs pull`",
    b"GGUF": "is a GGUF file, not weights of a program known here",
    b"\x08": "looks like an ONNX program; it can draw elsewhere, but holds no weights to load here",
}
TENSORFLOW = "is a TensorFlow pickle; NVIDIA's stylegan2-ada-pytorch has a legacy.py that turns it into a PyTorch one"
KNOWN_NAMES = {"dnnlib.tflib": TENSORFLOW, "tfutil": TENSORFLOW}


class Reader(NamedTuple):
    """A program whose files are read: read(data) gives the networks of what knows(data) takes for its own.

    Data are what the file holds, as plain types, records and views of tensors.
    """

    read: Callable[[Any], Foreign]
    help: str
    knows: Callable[[Any], bool]


READERS = {
    "nvidia": Reader(read_nvidia, NVIDIA, is_nvidia),
    "rosinality": Reader(read_rosinality, ROSINALITY, is_rosinality),
    "siskon": Reader(read_siskon, SISKON, is_siskon),
}
NEEDLESS = {"D", "d", "discriminator", "g_optim", "d_optim"}  # for drawing


def opening_notes(weights: Foreign, path: str | Path) -> list[str]:
    """What to tell about a file that was opened: the licence question where it is another program's, and its notes."""
    licence = [f"{path}: {weights.source}; {LICENCE_NOTE}"] if weights.source else []
    return licence + weights.notes


def read_foreign(path: str | Path, drawing: bool = False) -> Foreign:
    """The networks of another program's file, checked to be of the sizes that they claim.

    drawing: only the generator that draws best (the moving average, where there is one). CheckpointError names the
    file and says what is wrong with it; nothing in the file is executed, and the memory taken stays within about twice
    its size.
    """
    path = Path(path)
    try:
        foreign = _classify(_read(path), drawing)
        for name in ("G", "G_ema"):
            if name in foreign.networks:
                _check_shapes(foreign.config, foreign.networks[name])
        if foreign.needs_w_avg:
            _estimate_w_avg(foreign)
    except Refused as error:
        known = next((text for name, text in KNOWN_NAMES.items() if name in str(error)), None)
        raise CheckpointError(f"{path} {known or error}") from None
    except OSError:
        raise
    except Exception as error:  # a damaged file can break any assumption: whatever it was, it is the file's fault
        raise CheckpointError(f"{path} is damaged ({type(error).__name__}: {str(error)[:100]})") from None
    return foreign


def _read(path: Path) -> Any:
    """What the file holds, as plain data."""
    head = head_of(path)
    if not head:
        raise Refused("is empty; the download went wrong")
    with open(path, "rb") as file:
        data = memoryview(mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ))
    if head.startswith(b"PK\3\4"):
        return read_torch_zip(data)
    if LEGACY_START in head:
        return read_torch_legacy(data)
    if head[:1] == b"\x80" or head[:1] in b"(c}]":
        return read_pickle_file(data)
    for start, sentence in OTHER_FILES.items():
        if head.startswith(start):
            raise Refused(sentence)
    if bytes(data[257:262]) == b"ustar":
        raise Refused("is a tar archive; unpack it first")
    raise Refused("is no file of weights of a program known here (see docs/weights.md)")


def _classify(value: Any, drawing: bool) -> Foreign:
    """The networks of whatever program wrote the data."""
    reader = next((reader for reader in READERS.values() if reader.knows(value)), None)
    if reader is None:
        if isinstance(value, dict) and "GAN" in value:
            raise Refused("is a checkpoint of lucidrains/stylegan2-pytorch, whose networks are of another kind")
        keys = ", ".join(str(key)[:40] for key in list(value)[:5]) if isinstance(value, dict) else ""
        raise Refused(f"holds {keys or 'nothing'}: no networks of a program known here (see docs/weights.md)")
    if drawing and isinstance(value, dict):
        needless = NEEDLESS | {name for name in ("G", "g") if f"{name}_ema" in value}
        value = {key: part for key, part in value.items() if key not in needless}
    return reader.read(value)


def _check_shapes(config: ModelConfig, tensors: dict[str, Tensor]) -> None:
    """Refused unless tensors are those of a Generator of this config (w_avg may be missing)."""
    wrong = misfit(config, {name: tuple(tensor.shape) for name, tensor in tensors.items()}, {"mapping.w_avg"})
    if wrong:
        raise Refused(wrong)


@torch.no_grad()
def _estimate_w_avg(foreign: Foreign) -> None:
    """The mean of w, for programs that do not store it: over latents of a fixed seed."""
    z = torch.randn(W_AVG_SAMPLES, foreign.config.z_dim, generator=torch.Generator().manual_seed(W_AVG_SEED))
    for name in set(foreign.networks) - {"D"}:
        tensors = foreign.networks[name]
        mapping = MappingNetwork(foreign.config)
        weights = {key.removeprefix("mapping."): value for key, value in tensors.items() if key.startswith("mapping.")}
        mapping.load_state_dict({"w_avg": mapping.w_avg, **weights})
        tensors["mapping.w_avg"] = torch.cat([mapping(part)[:, 0] for part in z.split(1000)]).mean(dim=0)

"""Writes checkpoint files as other programs do, without those programs, and files that want to do harm."""

import contextlib
import io
import pickle
import sys
import types
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import torch

from sgan.config import ModelConfig
from sgan.networks.generator import Discriminator, Generator
from sgan.weights.checkpoint import save_generator
from sgan.weights.rosinality import rosinality_d_names, rosinality_names
from sgan.weights.siskon import siskon_d_names, siskon_names, siskon_scale

PERSISTENCE = "torch_utils.persistence"
SMALL = dict(max_step=2, n_fc=2, dim_latent=8, channel_base=64, channel_max=8)
CLASS_SIZE = 5  # of the embedded classes of a discriminator
SOURCE_TEXT = "raise SystemExit('the program text of a checkpoint was run')"
BUFFERS = ("resample_filter", "noise_const", "w_avg")


def fir() -> torch.Tensor:
    """StyleGAN2's filter as its programs store it."""
    taps = torch.tensor([1.0, 3.0, 3.0, 1.0])
    return torch.outer(taps, taps) / 64


def randomize(network: torch.nn.Module, seed: int = 0) -> torch.nn.Module:
    """The network with every tensor that starts at zero given a value, so that ignoring it shows."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if name.endswith(("bias", "noise_strength", "w_avg")):
                tensor.add_(torch.randn(tensor.shape, generator=generator) * 0.3)
    return network


def small_networks(**values: Any) -> tuple[Generator, Discriminator]:
    """A tiny generator and discriminator of StyleGAN2's exact kind (or what the values say)."""
    torch.manual_seed(0)
    config = ModelConfig(**{**SMALL, "resample": "fir", **values})
    return randomize(Generator(config)).eval(), randomize(Discriminator(config), 1).eval()


# ---- NVIDIA ----


class Persistent:
    """Pickles as a call of torch_utils.persistence._reconstruct_persistent_obj with a class and its state."""

    def __init__(self, class_name: str, state: dict):
        self.class_name, self.state = class_name, state

    def __reduce__(self):
        meta = dict(type="class", version=6, module_src=SOURCE_TEXT, class_name=self.class_name, state=self.state)
        return sys.modules[PERSISTENCE]._reconstruct_persistent_obj, (meta,)


@contextlib.contextmanager
def persistence_module():
    """torch_utils.persistence for as long as something is pickled; calling it is an error."""

    def _reconstruct_persistent_obj(meta):
        raise AssertionError("a checkpoint's constructor was run")

    package, module = types.ModuleType("torch_utils"), types.ModuleType(PERSISTENCE)
    _reconstruct_persistent_obj.__module__, _reconstruct_persistent_obj.__qualname__ = (
        PERSISTENCE,
        ("_reconstruct_persistent_obj"),
    )
    module._reconstruct_persistent_obj = _reconstruct_persistent_obj
    package.persistence = module
    sys.modules.update({"torch_utils": package, PERSISTENCE: module})
    try:
        yield
    finally:
        del sys.modules["torch_utils"], sys.modules[PERSISTENCE]


def persistent_network(tensors: dict, attributes: dict | None = None, class_name: str = "Generator") -> Persistent:
    """The object tree of a network: dotted names become nested modules; attributes: module path -> dict."""
    states: dict[str, dict] = {}

    def state_of(path: str) -> dict:
        if path not in states:
            states[path] = dict(
                training=False, _parameters={}, _buffers={}, _modules={}, _init_args=(), _init_kwargs={}
            )
            if path:
                parent, _, leaf = path.rpartition(".")
                state_of(parent)["_modules"][leaf] = Persistent("Layer", states[path])
        return states[path]

    for name, tensor in tensors.items():
        path, _, leaf = name.rpartition(".")
        if leaf in BUFFERS:
            state_of(path)["_buffers"][leaf] = tensor
        else:
            state_of(path)["_parameters"][leaf] = torch.nn.Parameter(tensor, requires_grad=False)
    for path, values in (attributes or {}).items():
        state_of(path).update(values)
    return Persistent(class_name, state_of(""))


def nvidia_parts(G: Generator, D: Discriminator | None, bound: float | None = None) -> dict[str, Persistent]:
    """{G, D, G_ema} of our networks as that program's objects."""
    config = G.config
    tensors = dict(G.state_dict())
    attributes: dict[str, dict] = {f"mapping.fc{i}": dict(activation="lrelu") for i in range(config.n_fc)}
    for i in range(config.n_fc):
        inputs = tensors[f"mapping.fc{i}.weight"].shape[1]
        attributes[f"mapping.fc{i}"]["weight_gain"] = np.float64(0.01) / np.sqrt(inputs)
    for resolution in config.block_resolutions:
        tensors[f"synthesis.b{resolution}.resample_filter"] = fir()
        attributes[f"synthesis.b{resolution}.conv1"] = dict(activation="lrelu", conv_clamp=bound)
    parts = {"G_ema": persistent_network(tensors, attributes), "G": persistent_network(tensors, attributes)}
    if D is not None:
        top = config.resolution
        coloured = config.d_architecture == "skip"
        kept = {k: v for k, v in D.state_dict().items() if "fromrgb" not in k or k.startswith(f"b{top}.") or coloured}
        mbstd = {"b4.mbstd": dict(group_size=config.mbstd_group_size, num_channels=1)}
        parts["D"] = persistent_network(kept | class_tensors(config), mbstd, "Discriminator")
    return parts


def class_tensors(config: ModelConfig) -> dict[str, torch.Tensor]:
    """What that program's discriminator has instead of one logit where there are classes; none where there are not."""
    if not config.c_dim:
        return {}
    size, generator = CLASS_SIZE, torch.Generator().manual_seed(2)
    shapes = {"mapping.embed.weight": (size, config.c_dim), "mapping.embed.bias": (size,)}
    for i in range(2):
        shapes |= {f"mapping.fc{i}.weight": (size, size), f"mapping.fc{i}.bias": (size,)}
    shapes |= {"b4.out.weight": (size, config.channels(4)), "b4.out.bias": (size,)}
    scales = {name: 100 if name.startswith("mapping.fc") else 1 for name in shapes}
    return {name: torch.randn(shape, generator=generator) * scales[name] for name, shape in shapes.items()}


def write_nvidia(path: Path, parts: dict[str, Any], protocol: int = 4) -> Path:
    """A snapshot pickle of that program."""
    with persistence_module(), open(path, "wb") as file:
        pickle.dump({"training_set_kwargs": {"path": "x"}, "augment_pipe": None, **parts}, file, protocol)
    return path


# ---- rosinality and SiskonEmilia ----


def rosinality_data(G: Generator, D: Discriminator | None = None) -> dict[str, Any]:
    """A checkpoint of rosinality's program with our networks."""
    tensors, result = G.state_dict(), {}
    shapes = {
        "const": lambda t: t[None],
        "noise_const": lambda t: t[None, None],
        "noise_strength": lambda t: t.reshape(1),
    }
    g = {}
    for ours, theirs in rosinality_names(G.config).items():
        tensor = shapes.get(ours.rpartition(".")[2], lambda t: t)(tensors[ours])
        g[theirs] = tensor[None] if tensor.ndim == 4 and theirs.endswith("conv.weight") else tensor
        if "torgb.bias" in ours:
            g[theirs] = tensor.reshape(1, 3, 1, 1)
    g["convs.0.conv.blur.kernel"] = fir() * 4
    result["g_ema"], result["latent_avg"] = g, tensors["mapping.w_avg"]
    if D is not None:
        result["g"] = g
        result["d"] = {theirs: D.state_dict()[ours] for ours, theirs in rosinality_d_names(D.config).items()}
    return result


def siskon_data(G: Generator, D: Discriminator, parameters: tuple) -> dict[str, Any]:
    """A trained.pth of SiskonEmilia's program with our networks."""
    shapes = {"const": lambda t: t[None], "noise_strength": lambda t: t.reshape(1, -1, 1, 1)}
    g = {
        theirs: shapes.get(ours.rpartition(".")[2], lambda t: t)(G.state_dict()[ours] / siskon_scale(ours))
        for ours, theirs in siskon_names(G.config).items()
    }
    d = {theirs: D.state_dict()[ours] for ours, theirs in siskon_d_names(D.config).items()}
    for name in d:
        if name == "convs.8.conv.2.conv.weight_orig":
            d[name] = d[name].unflatten(1, (-1, 4, 4))
    return {"generator": g, "discriminator": d, "parameters": parameters, "d_losses": [float("inf")], "g_losses": []}


def torch_bytes(value: Any, legacy: bool = False) -> bytes:
    """What torch.save writes, in the zip format or the one before it."""
    buffer = io.BytesIO()
    torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()


def zip_bytes(members: dict[str, bytes], compression: int = zipfile.ZIP_STORED, link: str | None = None) -> bytes:
    """A zip archive; `link` names a member that is a symbolic link."""
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as archive:
        for name, data in members.items():
            info = zipfile.ZipInfo(name)
            info.compress_type = compression
            if name == link:
                info.create_system, info.external_attr = 3, 0o120777 << 16
            archive.writestr(info, data)
    return buffer.getvalue()


# ---- one small file of every kind ----

KINDS = ["nvidia", "nvidia, protocol 2", "rosinality", "rosinality, old torch", "siskon", "siskon, old torch", "ours"]


def write(path: Path, data: bytes) -> Path:
    """Writes and returns the path."""
    path.write_bytes(data)
    return path


def adain_networks(**values: Any) -> tuple[Generator, Discriminator]:
    """A tiny generator and discriminator of the first StyleGAN."""
    return small_networks(**{"arch": "stylegan", "resample": "fast", **values})


def small_files(folder: Path) -> dict[str, tuple[Path, Generator, Discriminator | None]]:
    """KINDS -> (a file whose name says nothing, the networks inside)."""
    G, D = small_networks()
    old_G, old_D = adain_networks()
    siskon = siskon_data(old_G, old_D, (2, 9, 0, 9, 1))
    return {
        "nvidia": (write_nvidia(folder / "1.bin", nvidia_parts(G, D)), G, D),
        "nvidia, protocol 2": (write_nvidia(folder / "2.bin", nvidia_parts(G, D), 2), G, D),
        "rosinality": (write(folder / "3.bin", torch_bytes(rosinality_data(G, D))), G, D),
        "rosinality, old torch": (write(folder / "4.bin", torch_bytes(rosinality_data(G, D), True)), G, D),
        "siskon": (write(folder / "5.bin", torch_bytes(siskon)), old_G, old_D),
        "siskon, old torch": (write(folder / "6.bin", torch_bytes(siskon, True)), old_G, old_D),
        "ours": (save_generator(G, folder / "7.bin", {}), G, None),
    }

"""NVIDIA's StyleGAN2 networks (stylegan2-ada-pytorch, and the StyleGAN2 configurations of stylegan3) in our names.

Their pickles hold objects; the readers give their parameters and attributes as records. The names of the tensors are
ours already.
"""

import dataclasses
import math
import re
from pathlib import Path
from typing import Any

import torch
import torch.nn.functional as F
from torch import Tensor

from sgan.config import ConfigError, ModelConfig
from sgan.networks.gains import LRELU_GAIN, LRELU_SLOPE, MAPPING_LR_MULT
from sgan.networks.ops import normalize_2nd_moment
from sgan.weights.foreign import Foreign, check_filter, model_config, shape_of, step_of
from sgan.weights.pickles.torchfile import TensorView
from sgan.weights.pickles.unpickle import Record, Refused

NVIDIA = "NVIDIA's StyleGAN2 in PyTorch"
MAX_DEPTH = 8
MAX_MODULES = 5000


def is_network(value: Any) -> bool:
    """Whether a record is a network or a part of one."""
    return isinstance(value, Record) and isinstance(value.state, dict) and "_modules" in value.state


def modules_of(network: Record) -> dict[str, dict[str, Any]]:
    """Path -> attributes of a network and all its parts; the network itself has the path ""."""
    found: dict[str, dict[str, Any]] = {}
    waiting = [("", network, 0)]
    while waiting:
        path, record, depth = waiting.pop()
        if depth > MAX_DEPTH or len(found) > MAX_MODULES:
            raise Refused("holds a network that is nested too deeply")
        found[path] = record.state
        children = record.state.get("_modules")
        for name, child in (children if isinstance(children, dict) else {}).items():
            if is_network(child) and isinstance(name, str):
                waiting.append((f"{path}.{name}" if path else name, child, depth + 1))
    return found


def views_of(modules: dict[str, dict[str, Any]]) -> dict[str, TensorView]:
    """All parameters and buffers by name."""
    views = {}
    for path, state in modules.items():
        for kind in ("_parameters", "_buffers"):
            for name, value in (state.get(kind) if isinstance(state.get(kind), dict) else {}).items():
                if isinstance(value, TensorView):
                    views[f"{path}.{name}" if path else name] = value
    return views


def is_nvidia(value: Any) -> bool:
    """Whether it is a snapshot of that program, or one network of it."""
    return any(map(is_network, value.values())) if isinstance(value, dict) else is_network(value)


def read_nvidia(data: dict | Record) -> Foreign:
    """Networks of a snapshot {G, D, G_ema}, as far as there; or of a generator alone."""
    data = data if isinstance(data, dict) else {"G_ema": data}
    records = {name: data[name] for name in ("G", "D", "G_ema") if is_network(data.get(name))}
    generators = [name for name in ("G_ema", "G") if name in records]
    if not generators:
        raise Refused("holds no generator (neither G_ema nor G)")
    networks, notes = {}, []
    config = None
    for name in generators:
        modules = modules_of(records[name])
        views = views_of(modules)
        found = generator_config(modules, views)
        if config is not None and found != config:
            notes.append(f"{name} is of another size than G_ema and was left out")
            continue
        config = found
        networks[name] = _generator_tensors(modules, views, config)
    if "D" in records:
        modules = modules_of(records["D"])
        problem, config = discriminator_config(modules, views_of(modules), config)
        if problem:
            notes.append(f"the discriminator was left out: {problem}")
        else:
            networks["D"] = {name: view.tensor().float() for name, view in views_of(modules).items() if _kept(name)}
            _scale_mapping(modules, networks["D"])
    return Foreign(NVIDIA, config, networks, config.max_step, notes=notes)


def _kept(name: str) -> bool:
    return not name.endswith("resample_filter")


def generator_config(modules: dict, views: dict[str, TensorView]) -> ModelConfig:
    """The ModelConfig of a generator; Refused when it is of another kind."""
    blocks = sorted(int(m[1]) for name in modules if (m := re.fullmatch(r"synthesis\.b(\d+)", name)))
    if "synthesis.input" in modules or any(re.match(r"synthesis\.L\d+_", name) for name in modules):
        raise Refused("has a StyleGAN3 synthesis network; of that program, StyleGAN2 configurations are supported")
    if not blocks or blocks != [2 ** (i + 2) for i in range(len(blocks))]:
        raise Refused("is a network of a kind that is not known (no blocks synthesis.b4, b8, ...)")
    for path, state in modules.items():
        activation = state.get("activation", "lrelu")
        if activation not in ("lrelu", "linear"):
            raise Refused(f"uses the activation {str(activation)[:40]!r}; leaky ReLU is supported")
        if path.endswith("torgb") and shape_of(views, f"{path}.weight", 4)[0] != 3:
            raise Refused("makes pictures with other than 3 colours")
    check_filter(views, "resample_filter")
    n_fc = sum(bool(re.fullmatch(r"mapping\.fc\d+", name)) for name in modules)
    w_dim, z_dim = shape_of(views, f"mapping.fc{n_fc - 1}.weight", 2)[0], shape_of(views, "mapping.fc0.weight", 2)[1]
    c_dim = shape_of(views, "mapping.embed.weight", 2)[1] if "mapping.embed.weight" in views else 0
    z_dim -= w_dim if c_dim else 0
    if z_dim < 1 or (c_dim and views["mapping.embed.weight"].shape[0] != w_dim):
        raise Refused("has a mapping network without a latent z, or whose classes and w differ in size")
    clamp = modules[f"synthesis.b{blocks[-1]}.conv1"].get("conv_clamp")
    return model_config(
        {res: shape_of(views, f"synthesis.b{res}.conv1.weight", 4)[0] for res in blocks},
        max_step=step_of(blocks[-1]), n_fc=n_fc, dim_latent=w_dim, dim_z=0 if z_dim == w_dim else z_dim,
        resample="fir", c_dim=c_dim, g_architecture=_g_architecture(views, blocks[-1]),
        conv_clamp=float(clamp) if isinstance(clamp, (int, float)) else 0.0,
    )  # fmt: skip


def _g_architecture(views: dict[str, TensorView], top: int) -> str:
    if f"synthesis.b{top}.skip.weight" in views:
        return "resnet"
    return "skip" if top == 4 or "synthesis.b4.torgb.weight" in views else "orig"


def _generator_tensors(modules: dict, views: dict[str, TensorView], config: ModelConfig) -> dict[str, Tensor]:
    tensors = {name: view.tensor().float() for name, view in views.items() if _kept(name)}
    tensors.setdefault("mapping.w_avg", torch.zeros(config.dim_latent))
    _scale_mapping(modules, tensors)
    for res in config.block_resolutions:
        for layer in ("conv0", "conv1") if res > 4 else ("conv1",):  # networks trained without noise
            tensors.setdefault(f"synthesis.b{res}.{layer}.noise_const", torch.zeros(res, res))
            tensors.setdefault(f"synthesis.b{res}.{layer}.noise_strength", torch.zeros([]))
    return tensors


def _scale_mapping(modules: dict, tensors: dict[str, Tensor]) -> None:
    """Brings the layers of a mapping to the learning rate multiplier that is ours: it is part of their scale."""
    for path in [path for path in modules if re.fullmatch(r"mapping\.fc\d+", path)]:
        gain, weight = modules[path].get("weight_gain"), tensors.get(f"{path}.weight")
        if not isinstance(gain, float) or weight is None or weight.ndim != 2:
            continue
        ratio = gain * math.sqrt(weight.shape[1]) / MAPPING_LR_MULT
        if abs(ratio - 1) > 1e-6:
            for part in (f"{path}.weight", f"{path}.bias"):
                tensors[part] = tensors[part] * ratio


def choose_class(foreign: Foreign, index: int, path: str | Path) -> Foreign:
    """The same networks for one class alone, as networks without classes that compute the same.

    The class's share of the first layer of the generator's mapping becomes part of its bias; the discriminator's last
    layer is multiplied by what its own mapping makes of the class (arXiv 2006.06676, appendix F.1). ConfigError naming
    the networks' file for a class that there is not.
    """
    config = foreign.config
    if not 0 <= index < config.c_dim:
        has = f"classes 0 to {config.c_dim - 1}" if config.c_dim else "no classes"
        raise ConfigError(f"{path} has {has}, but class {index} is asked for")
    networks = {
        name: _d_of_class(tensors, index) if name == "D" else _g_of_class(tensors, index, config.z_dim)
        for name, tensors in foreign.networks.items()
    }
    return dataclasses.replace(foreign, config=dataclasses.replace(config, c_dim=0), networks=networks)


def _embedded(tensors: dict[str, Tensor], index: int) -> Tensor:
    """[w_dim]: the normalised embedding of a class."""
    weight, bias = tensors["mapping.embed.weight"], tensors["mapping.embed.bias"]
    return normalize_2nd_moment((weight[:, index] / math.sqrt(weight.shape[1]) + bias)[None])[0]


def _g_of_class(tensors: dict[str, Tensor], index: int, z_dim: int) -> dict[str, Tensor]:
    weight, gain = tensors["mapping.fc0.weight"], 1 / math.sqrt(tensors["mapping.fc0.weight"].shape[1])
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("mapping.embed.")}
    kept["mapping.fc0.bias"] = kept["mapping.fc0.bias"] + weight[:, z_dim:] @ _embedded(tensors, index) * gain
    kept["mapping.fc0.weight"] = weight[:, :z_dim] * (gain * math.sqrt(z_dim))
    return kept


def _d_of_class(tensors: dict[str, Tensor], index: int) -> dict[str, Tensor]:
    x = _embedded(tensors, index)
    for i in range(sum(bool(re.fullmatch(r"mapping\.fc\d+\.weight", name)) for name in tensors)):
        weight, bias = tensors[f"mapping.fc{i}.weight"], tensors[f"mapping.fc{i}.bias"]
        x = weight @ x * (MAPPING_LR_MULT / math.sqrt(len(x))) + bias * MAPPING_LR_MULT
        x = F.leaky_relu(x, LRELU_SLOPE) * LRELU_GAIN
    x = x[None] / math.sqrt(len(x))
    kept = {name: tensor for name, tensor in tensors.items() if not name.startswith("mapping.")}
    return kept | {"b4.out.weight": x @ kept["b4.out.weight"], "b4.out.bias": x[0] @ kept["b4.out.bias"][:, None]}


def _judges_classes(views: dict[str, TensorView]) -> bool:
    """Whether a discriminator with classes has the tensors that `choose_class` needs, in fitting shapes."""
    size, depth = views["mapping.embed.weight"].shape[0], 0
    shapes = {"mapping.embed.bias": (size,), "b4.out.bias": (size,)}
    while f"mapping.fc{depth}.weight" in views:
        shapes |= {f"mapping.fc{depth}.weight": (size, size), f"mapping.fc{depth}.bias": (size,)}
        depth += 1
    out = views.get("b4.out.weight")
    fits = all(name in views and views[name].shape == shape for name, shape in shapes.items())
    return fits and depth > 0 and out is not None and out.shape[0] == size and len(out.shape) == 2


def discriminator_config(modules: dict, views: dict, config: ModelConfig) -> tuple[str, ModelConfig]:
    """(why the discriminator cannot be taken, or "", and the ModelConfig with its part)."""
    values = {f: getattr(config, f) for f in config.__dataclass_fields__}
    top, low = config.resolution, modules.get("b4.mbstd", {})
    group = low.get("group_size")
    coloured = top > 4 and f"b{top // 2}.fromrgb.weight" in views
    architecture = "resnet" if f"b{top}.skip.weight" in views else "skip" if coloured else "orig"
    classes = views["mapping.embed.weight"].shape[-1] if "mapping.embed.weight" in views else 0
    if classes != config.c_dim:
        return f"it tells {classes} classes apart, its generator {config.c_dim}", config
    if classes and not _judges_classes(views):
        return "it judges classes in a way that is not known", config
    if top > 4 and f"b{top}.fromrgb.weight" not in views:
        return "it has no layer for this resolution", config
    if low.get("num_channels", 1) != 1 or "b4.mbstd" not in modules:
        return "it measures the variation of a batch in another way", config
    for res in config.block_resolutions:
        name = f"b{res}.conv0.weight" if res > 4 else "b4.out.weight"
        if name not in views or views[name].shape[1] != config.channels(res):
            return "its feature maps differ from the generator's", config
    values |= dict(d_architecture=architecture, mbstd_group_size=min(group, 64) if isinstance(group, int) else 64)
    return "", ModelConfig(**values)

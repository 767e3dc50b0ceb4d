"""Checkpoints out: our own format, rosinality's program, and ONNX. `convert` reads any format and writes one."""

import contextlib
import dataclasses
import io
import warnings
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from sgan.config import ConfigError, ModelConfig, TrainConfig
from sgan.networks.generator import Generator
from sgan.networks.ops import fir_kernel
from sgan.training.state import TrainState, copy_weights, write_state
from sgan.weights.checkpoint import find_checkpoint, read_header, read_weights, save_generator, write_bytes
from sgan.weights.foreign import Foreign, rosinality_d_names, rosinality_names
from sgan.weights.formats import CheckpointError, opening_notes
from sgan.weights.nvidia import choose_class
from sgan.weights.unpickle import Refused

ONNX_OPSET = 23
ONNX_TOLERANCE = 1e-3  # of the picture's range, between onnxruntime and PyTorch
ROSINALITY_CHANNELS = {4: 512, 8: 512, 16: 512, 32: 512}  # and 256 * channel_multiplier at 64, halved at every doubling


@dataclass
class Report:
    """What a conversion did, in a sentence, and what the user should know besides."""

    text: str
    notes: list[str] = field(default_factory=list)


def convert(
    source: str | Path, target: str | Path, generator_only: bool = False, class_index: int | None = None
) -> Report:
    """Reads a checkpoint of any known program and writes `target` in the format that its ending names.

    .safetensors: ours, with the discriminator where there is one; .pt: rosinality's; .onnx: the generator. class_index
    makes networks with classes into those of one class. ConfigError for another ending or class, CheckpointError (or
    ValueError) for what cannot be read or expressed.
    """
    writers: dict[str, Callable] = {".safetensors": _write_ours, ".pt": _write_rosinality, ".onnx": _write_onnx}
    target = Path(target)
    if target.suffix not in writers:
        raise ConfigError(f"{target} ends in none of {', '.join(writers)}, which name the formats to write")
    path = _find(source, generator_only or target.suffix == ".onnx")
    if target.exists() and target.samefile(path):
        raise ConfigError(f"{target} is the file to read; name another one to write")
    weights = read_weights(path)
    if class_index is not None:
        weights = _of_class(weights, class_index, path)
    if weights.config.c_dim and "D" in weights.networks and target.suffix == ".safetensors" and not generator_only:
        weights.notes.append("its discriminator, which judges classes, was left out; --class N keeps it, for one class")
    if generator_only or weights.config.c_dim:
        weights.networks.pop("D", None)
    report = writers[target.suffix](weights, path, target)
    report.notes = opening_notes(weights, path) + report.notes
    return report


def _of_class(weights: Foreign, index: int, path: Path) -> Foreign:
    try:
        return choose_class(weights, index)
    except Refused as error:
        raise ConfigError(f"{path} {error}") from None


def _find(source: str | Path, generator: bool) -> Path:
    """The file to read; in a folder a state rather than a generator, where the discriminator is wanted."""
    if not generator:
        try:
            return find_checkpoint(source, "state")
        except CheckpointError:
            pass
    return find_checkpoint(source)


def _generator(weights: Foreign) -> tuple[Generator, int]:
    """The generator that draws best, ready to draw, and the last layer that has faded in."""
    G = Generator(weights.config)
    G.load_state_dict(weights.networks.get("G_ema") or weights.networks["G"])
    step = weights.step - 1 if weights.alpha < 1 else weights.step
    return G.eval().requires_grad_(False), max(step, weights.config.min_step)


def _write_ours(weights: Foreign, path: Path, target: Path) -> Report:
    """A state (generator, moving average, discriminator), or a generator alone."""
    if "D" not in weights.networks:
        G, step = _generator(weights)
        nimg = 0 if weights.source else read_header(path)[1].get("nimg", 0)
        save_generator(G, target, {"source": weights.source, "nimg": nimg}, step=step)
        side = 2 ** (step + 2)
        return Report(
            f"{target}: generator of {side}x{side} pixels; draw with python -m sgan sample --checkpoint {target}"
        )
    if not weights.source:
        raise ConfigError(f"{path} is in this format already; --generator_only takes its generator out")
    model = {f.name: getattr(weights.config, f.name) for f in dataclasses.fields(ModelConfig)}
    fading = weights.alpha < 1 and weights.step > weights.config.min_step
    state = TrainState.create(TrainConfig(**model, step=weights.step - fading))
    copy_weights(state, weights, path)
    if fading:
        state.nimg = int((1 + weights.alpha) * state.config.n_sample)
    write_state(state, target, source=weights.source)
    return Report(
        f"{target}: generator and discriminator of {weights.config.resolution}x{weights.config.resolution} pixels; "
        f"fine-tune with python -m sgan train --resume_from {target} --image_folder_path FOLDER"
    )


def _write_rosinality(weights: Foreign, path: Path, target: Path) -> Report:
    buffer = io.BytesIO()
    torch.save(rosinality_checkpoint(weights, path), buffer)
    write_bytes(target, buffer.getvalue())
    config = weights.config
    multiplier = max(config.channels(config.resolution) * config.resolution // 16384, 1)
    return Report(
        f"{target}: for rosinality/stylegan2-pytorch with --size {config.resolution}, latent {config.dim_latent}, "
        f"n_mlp {config.n_fc}, --channel_multiplier {multiplier}"
    )


def rosinality_checkpoint(weights: Foreign, path: Path) -> dict[str, Any]:
    """{g_ema, latent_avg, g, d, g_optim, d_optim}, as far as there; CheckpointError for what it cannot express."""
    config = weights.config
    _check_rosinality(weights, path)
    result: dict[str, Any] = {}
    for ours, theirs in (("G_ema", "g_ema"), ("G", "g")):
        if ours in weights.networks:
            tensors = weights.networks[ours]
            result[theirs] = {name: _expand(name, tensors[key]) for key, name in rosinality_names(config).items()}
            result[theirs] |= _kernels(config)
            result.setdefault("latent_avg", tensors["mapping.w_avg"].clone())
    result.setdefault("g_ema", result.get("g"))
    if "D" in weights.networks:
        names = rosinality_d_names(config)
        result["d"] = {name: weights.networks["D"][key] for key, name in names.items()} | _d_kernels(config)
        result.setdefault("g", result["g_ema"])
        for part in ("g", "d"):
            count = sum("kernel" not in name and not name.startswith("noises.") for name in result[part])
            blank = [nn.Parameter(torch.zeros(())) for _ in range(count)]
            result[f"{part}_optim"] = torch.optim.Adam(blank, lr=0.002, betas=(0.0, 0.99)).state_dict()
    return result


def _check_rosinality(weights: Foreign, path: Path) -> None:
    """CheckpointError naming the first thing that rosinality's program would compute in another way."""
    config = weights.config
    wanted = dict(
        arch="stylegan2", resample="fir", dim_input=4, g_architecture="skip", d_architecture="resnet", c_dim=0
    )
    for name, value in wanted.items():
        if getattr(config, name) != value:
            raise CheckpointError(
                f"{path} has {name} {getattr(config, name)!r}, but rosinality's program computes {name} {value!r} alone"
                + ("; --class N makes a network of one class" if name == "c_dim" else "")
            )
    if weights.step != config.max_step:
        raise CheckpointError(f"{path} has not grown to its last layer yet; rosinality's program knows no growing")
    top = config.channels(64) if config.max_step >= 4 else 256
    for resolution in config.block_resolutions:
        expected = ROSINALITY_CHANNELS.get(resolution, max(top * 64 // resolution, 1))
        if config.channels(resolution) != expected or top not in (256, 512, 1024):
            raise CheckpointError(
                f"{path} has {config.channels(resolution)} feature maps at {resolution} pixels, which rosinality's "
                "program cannot be told; it takes channel_max 512 and channel_base 16384 or 32768"
            )
    if config.conv_clamp:
        weights.notes.append(
            "rosinality's program does not bound feature maps; pictures may differ where they are large"
        )


def _expand(name: str, tensor: Tensor) -> Tensor:
    """A tensor of ours in rosinality's shape."""
    if name == "input.input" or name.endswith(".conv.weight"):
        return tensor[None].contiguous()
    if name.startswith("noises."):
        return tensor[None, None].contiguous()
    if name.startswith("to_rgb") and name.endswith(".bias") and "modulation" not in name:
        return tensor.reshape(1, -1, 1, 1)
    return tensor.reshape(1) if name.endswith("noise.weight") else tensor.contiguous()


def _kernels(config: ModelConfig) -> dict[str, Tensor]:
    """The filters that its generator stores, with the gain 4 of doubling both sides."""
    count = len(config.block_resolutions) - 1
    names = [f"convs.{2 * k}.conv.blur.kernel" for k in range(count)] + [
        f"to_rgbs.{k}.upsample.kernel" for k in range(count)
    ]
    return {name: fir_kernel() * 4 for name in names}


def _d_kernels(config: ModelConfig) -> dict[str, Tensor]:
    blocks = range(1, len(config.block_resolutions))
    return {f"convs.{k}.{part}.0.kernel": fir_kernel() for k in blocks for part in ("conv2", "skip")}


class Drawing(nn.Module):
    """z [N, z_dim], truncation_psi [] and, with classes, c [N, c_dim] -> image [N, 3, R, R], with the stored noise."""

    def __init__(self, G: Generator, step: int):
        super().__init__()
        self.G, self.step = G, step

    def forward(self, z: Tensor, truncation_psi: Tensor, c: Tensor | None = None) -> Tensor:
        """See the class."""
        ws = self.G.mapping(z, c=c)
        ws = self.G.mapping.w_avg + truncation_psi * (ws - self.G.mapping.w_avg)
        return self.G.synthesis(ws, step=self.step)


def _write_onnx(weights: Foreign, path: Path, target: Path) -> Report:
    """Exports, compares with onnxruntime on other latents, and only then puts the file in its place."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise CheckpointError(f"writing {target} needs {error.name}; install it: pip install '.[export]'") from None
    drawing = Drawing(*_generator(weights)).eval()
    data = export_onnx(drawing)
    difference = compare_onnx(drawing, data)
    if not difference <= ONNX_TOLERANCE:
        raise CheckpointError(
            f"{target} was not written: onnxruntime is off by {difference:.2g} of the picture's range"
        )
    write_bytes(target, data)
    side = 2 ** (drawing.step + 2)
    return Report(
        f"{target}: ONNX opset {ONNX_OPSET}, inputs {', '.join(_inputs(weights.config, 1, 0))}, output image "
        f"[N, 3, {side}, {side}]; onnxruntime is off by at most {difference:.1e} of the picture's range"
    )


def export_onnx(drawing: Drawing) -> bytes:
    """An ONNX program of any batch size, weights inside."""
    inputs = _inputs(drawing.G.config, 2, 0)
    batch = torch.export.Dim("batch")
    shapes = tuple({0: batch} if value.ndim else {} for value in inputs.values())
    with warnings.catch_warnings(), contextlib.redirect_stdout(io.StringIO()):  # the exporter talks a lot
        warnings.simplefilter("ignore")
        program = torch.onnx.export(
            drawing, tuple(inputs.values()), input_names=list(inputs), output_names=["image"],
            opset_version=ONNX_OPSET, dynamo=True, dynamic_shapes=shapes, verbose=False,
        )  # fmt: skip
    return program.model_proto.SerializeToString()


def compare_onnx(drawing: Drawing, data: bytes) -> float:
    """The largest difference between onnxruntime's picture and PyTorch's, as a share of the picture's range."""
    import onnxruntime

    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    inputs = _inputs(drawing.G.config, 1, 1)
    with torch.no_grad():
        expected = drawing(*inputs.values()).numpy()
    found = session.run(None, {name: value.numpy() for name, value in inputs.items()})[0]
    return float(np.abs(found - expected).max() / max(float(np.ptp(expected)), 1e-12))


def _inputs(config: ModelConfig, n: int, seed: int) -> dict[str, Tensor]:
    """Latents, psi and classes to trace with or to compare on."""
    generator = torch.Generator().manual_seed(seed)
    inputs = {"z": torch.randn(n, config.z_dim, generator=generator), "truncation_psi": torch.tensor(0.7)}
    return inputs | ({"c": torch.eye(config.c_dim)[[0] * n]} if config.c_dim else {})

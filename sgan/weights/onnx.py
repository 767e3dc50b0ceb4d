"""A generator as an ONNX program, written only when onnxruntime draws with it what PyTorch draws."""

import contextlib
import io
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from provenance import write_bytes
from sgan.config import ModelConfig, resolution_of
from sgan.networks.generator import Generator
from sgan.weights.files import CheckpointError
from sgan.weights.foreign import Foreign

OPSET = 23
TOLERANCE = 1e-3  # of the picture's range, between onnxruntime and PyTorch


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


def write_onnx(weights: Foreign, path: Path, target: Path) -> str:
    """Exports, compares with onnxruntime on other latents, and only then puts the file in its place."""
    try:
        import onnx  # noqa: F401
        import onnxruntime  # noqa: F401
        import onnxscript  # noqa: F401
    except ImportError as error:
        raise CheckpointError(f"writing {target} needs {error.name}; install it: pip install '.[export]'") from None
    drawing = Drawing(weights.generator(), weights.drawn_step).eval()
    data = export_onnx(drawing)
    difference = compare_onnx(drawing, data)
    if not difference <= TOLERANCE:
        raise CheckpointError(
            f"{target} was not written: onnxruntime is off by {difference:.2g} of the picture's range"
        )
    write_bytes(target, data)
    side = resolution_of(drawing.step)
    return (
        f"{target}: ONNX opset {OPSET}, inputs {', '.join(_inputs(weights.config, 1, 0))}, output image "
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
            opset_version=OPSET, dynamo=True, dynamic_shapes=shapes, verbose=False,
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

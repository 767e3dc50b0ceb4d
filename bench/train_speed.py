"""Images per second of a whole training step, against the reference design and with one mechanism off at a time.

    python bench/train_speed.py --resolution 64 --width small --rounds 3

A step is D's and G's update at the default settings, R1 at every 16th, and the moving average. The reference design
has a weight per sample and grouped convolution, NCHW memory, float32 and FIR resampling. The variants take turns in one
process, so that a machine whose speed drifts drifts for all; ratios are to the reference. One row per variant goes to
bench/results/train_speed.jsonl.
"""

import argparse
import contextlib
import json
import platform
import sys
import time
from pathlib import Path
from statistics import median
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

import numpy as np  # noqa: E402
import torch  # noqa: E402
import torch.nn.functional as F  # noqa: E402

from sgan.config import TrainConfig, resolution_of  # noqa: E402
from sgan.launch import resolve_device, resolve_precision  # noqa: E402
from sgan.meter import Meter  # noqa: E402
from sgan.ops import fir_filter  # noqa: E402
from sgan.state import TrainState  # noqa: E402
from sgan.step import step  # noqa: E402

WIDTHS = {"small": (2048, 64), "default": (4096, 128), "wide": (16384, 512)}  # channel_base, channel_max
VARIANTS = {
    "reference": {"grouped", "nchw", "fp32", "fir"},
    "ours": set(),
    "ours, weight per sample": {"grouped"},
    "ours, NCHW": {"nchw"},
    "ours, float32": {"fp32"},
    "ours, FIR": {"fir"},
    "ours, shared pass": {"shared"},
}
STEPS = 16  # one full cycle of lazy regularisation


def per_sample_conv2d(x, weight, styles):
    """The modulated convolution with a weight for every sample, as one grouped convolution."""
    n, channels, height, width = x.shape
    weights = (weight[None] * styles[:, None, :, None, None]).to(x.dtype).flatten(0, 1)
    y = F.conv2d(x.reshape(1, n * channels, height, width), weights, padding=weight.shape[-1] // 2, groups=n)
    return y.reshape(n, -1, height, width)


def per_sample_conv2d_up(x, weight, styles):
    """The same at twice the size: one grouped transposed convolution, then the filter."""
    n, channels, height, width = x.shape
    weights = (weight[None] * styles[:, None, :, None, None]).to(x.dtype).transpose(1, 2).flatten(0, 1)
    y = F.conv_transpose2d(x.reshape(1, n * channels, height, width), weights, stride=2, groups=n)
    return fir_filter(y.reshape(n, -1, *y.shape[2:]), padding=(1, 1), gain=4.0)


class Variant:
    """One way to train, ready to take steps."""

    def __init__(self, name: str, resolution: int, width: str, batch: int, device: torch.device):
        self.name, self.without = name, VARIANTS[name]
        layer = int(np.log2(resolution)) - 2
        base, most = WIDTHS[width]
        config = TrainConfig(
            max_step=layer, step=layer, channel_base=base, channel_max=most, mini_batch_size=batch, ada_target=0.0,
            resample="fir" if "fir" in self.without else "fast", shared_pass="shared" in self.without,
        )  # fmt: skip
        self.dtype = torch.float32 if "fp32" in self.without else resolve_precision("auto", device)
        self.state = TrainState.create(config, device)
        if "nchw" in self.without:
            for network in self.state.networks().values():
                network.to(memory_format=torch.contiguous_format)
        self.meter = Meter(device)
        self.real = np.random.default_rng(0).integers(0, 256, (batch, 3, resolution, resolution), dtype=np.uint8)
        self.rates: list[float] = []

    @contextlib.contextmanager
    def ways(self):
        """The functions that this variant replaces."""
        with contextlib.ExitStack() as stack:
            if "grouped" in self.without:
                stack.enter_context(mock.patch("sgan.networks.modulated_conv2d", per_sample_conv2d))
                stack.enter_context(mock.patch("sgan.networks.modulated_conv2d_up", per_sample_conv2d_up))
            if "nchw" in self.without:
                stack.enter_context(mock.patch("torch.channels_last", torch.contiguous_format))
            yield

    def run(self) -> None:
        """One cycle of steps."""
        device = self.state.device
        with self.ways():
            start = time.perf_counter()
            for _ in range(STEPS):
                step(self.state, self.real, self.meter, self.dtype)
            if device.type == "cuda":
                torch.cuda.synchronize(device)
            self.rates.append(STEPS * len(self.real) / (time.perf_counter() - start))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, default=64, choices=[resolution_of(s) for s in range(1, 9)])
    parser.add_argument("--width", choices=WIDTHS, default="small")
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    device = resolve_device(options.device)
    variants = [Variant(name, options.resolution, options.width, options.batch, device) for name in VARIANTS]
    for _ in range(options.rounds + 1):
        for variant in variants:
            variant.run()
    results = ROOT / "bench" / "results"
    results.mkdir(parents=True, exist_ok=True)
    base = median(variants[0].rates[1:])  # the first round warms up
    for variant in variants:
        rate = median(variant.rates[1:])
        row = {
            "variant": variant.name, "resolution": options.resolution, "width": options.width, "batch": options.batch,
            "img_per_sec": round(rate, 2), "ratio": round(rate / base, 2), "dtype": str(variant.dtype),
            "device": str(device), "threads": torch.get_num_threads(), "machine": platform.machine(),
            "torch": torch.__version__,
        }  # fmt: skip
        print(json.dumps(row))
        with open(results / "train_speed.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

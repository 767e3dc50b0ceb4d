"""Images per second of whole training steps and of sampling, against the reference design and with one mechanism off.

    python bench/train_speed.py                 # on a CPU: 64 and 128 pixels, two widths; under ten minutes
    python bench/train_speed.py --quick         # runs everything once, small: no figure to quote
    python bench/train_speed.py --case 256 gpu  # one case: resolution and width

A step is D's and G's update at the default settings and the moving average; R1, at every 16th step, is timed by itself
and counted as a 16th. The reference design is bench/reference.py. Variants take turns in one process, so that a machine
whose speed drifts drifts for all; ratios are to the reference. Raw rows are added to bench/results/train_speed.jsonl,
and the tables of docs/training.md are printed. On a GPU also 256 pixels with 16k channel base, torch.compile and CUDA
graphs.
"""

import argparse
import contextlib
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from statistics import median
from unittest import mock

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

import numpy as np
import reference
import torch
from torch.utils.flop_counter import FlopCounterMode

from sgan.config import TrainConfig
from sgan.networks.device import resolve_device, resolve_precision
from sgan.networks.ops import fir_filter
from sgan.training.arithmetic import Arithmetic, Compiled
from sgan.training.meter import Meter
from sgan.training.state import ADAM_BETA2, TrainState
from sgan.training.step import step

WIDTHS = {"small": (2048, 64), "default": (4096, 128), "gpu": (16384, 512)}  # channel_base, channel_max
R1_EVERY = 16
CLOCK = time.perf_counter
PLAIN_STEPS = 2  # timed for each R1 step, which counts a sixteenth
VARIANTS = {
    "reference": {"reference", "fp32"},
    "ours": set(),
    "ours, float32": {"fp32"},
    "ours, weight per sample": {"grouped"},
    "ours, NCHW": {"nchw"},
    "ours, FIR": {"fir"},
    "ours, Adam not fused": {"adam"},
}
GPU_VARIANTS = {
    "reference, half precision": {"reference"},
    "ours, float16": {"fp16"},
    "ours, compiled": {"compiled"},
    "ours, compiled, CUDA graphs": {"compiled", "graphs"},
}


def per_sample_conv2d(x, weight, styles):
    """The modulated convolution with a weight for every sample, as one grouped convolution."""
    return reference.modulated_conv(x, weight, styles, demodulate=False)


def per_sample_conv2d_up(x, weight, styles):
    """The same at twice the size: one grouped transposed convolution, then the filter."""
    n, channels, height, width = x.shape
    weights = (weight[None] * styles[:, None, :, None, None]).to(x.dtype).transpose(1, 2).flatten(0, 1)
    y = torch.nn.functional.conv_transpose2d(x.reshape(1, n * channels, height, width), weights, stride=2, groups=n)
    return fir_filter(y.reshape(n, -1, *y.shape[2:]), padding=(1, 1), gain=4.0)


class Variant:
    """One way to train, ready to take steps."""

    def __init__(self, name: str, resolution: int, width: str, batch: int, device: torch.device):
        self.name, self.flags = name, (VARIANTS | GPU_VARIANTS)[name]
        layer, (base, most) = int(np.log2(resolution)) - 2, WIDTHS[width]
        config = TrainConfig(
            max_step=layer, step=layer, channel_base=base, channel_max=most, mini_batch_size=batch, ada_target=0.0,
            resample="fir" if "fir" in self.flags else "fast",
        )  # fmt: skip
        self.dtype = resolve_precision("auto", device)
        self.dtype = next(
            ({"fp32": torch.float32, "fp16": torch.float16}[f] for f in self.flags & {"fp32", "fp16"}), self.dtype
        )
        self.state = TrainState.create(config, device)
        if "reference" in self.flags:
            self._take_reference(config, device)
        if "nchw" in self.flags:
            for network in self.state.networks().values():
                network.to(memory_format=torch.contiguous_format)
        if self.flags & {"reference", "nchw", "adam"}:
            self._make_optimisers(fused=not self.flags & {"reference", "adam"})
        mode = "reduce-overhead" if "graphs" in self.flags else None
        self.work = Arithmetic(
            self.state, self.dtype, Compiled(self.state, mode=mode) if "compiled" in self.flags else None
        )
        self.meter = Meter()
        self.real = np.random.default_rng(0).integers(0, 256, (batch, 3, resolution, resolution), dtype=np.uint8)
        self.plain: list[float] = []
        self.with_r1: list[float] = []

    def _take_reference(self, config: TrainConfig, device: torch.device) -> None:
        state = self.state
        state.G, state.D = (
            reference.Generator(config.model).to(device),
            reference.Discriminator(config.model).to(device),
        )
        state.G_ema = reference.Generator(config.model).to(device).requires_grad_(False)

    def _make_optimisers(self, fused: bool) -> None:
        kwargs = dict(lr=0.0, betas=(0.0, ADAM_BETA2), fused=fused)
        self.state.G_opt = torch.optim.Adam(self.state.G.parameters(), **kwargs)
        self.state.D_opt = torch.optim.Adam(self.state.D.parameters(), **kwargs)

    @contextlib.contextmanager
    def ways(self) -> Iterator[None]:
        """The functions that this variant replaces."""
        with contextlib.ExitStack() as stack:
            if "grouped" in self.flags:
                stack.enter_context(mock.patch("sgan.networks.generator.modulated_conv2d", per_sample_conv2d))
                stack.enter_context(mock.patch("sgan.networks.generator.modulated_conv2d_up", per_sample_conv2d_up))
            if self.flags & {"nchw", "reference"}:
                stack.enter_context(mock.patch("torch.channels_last", torch.contiguous_format))
            yield

    def take_step(self, r1: bool) -> float:
        """One step; its seconds."""
        self.state.iteration = 0 if r1 else 1
        synchronize(self.state.device)
        start = CLOCK()
        if "graphs" in self.flags:
            torch.compiler.cudagraph_mark_step_begin()
        step(self.work, self.real, self.meter)
        synchronize(self.state.device)
        return CLOCK() - start

    def turn(self, steps: int) -> None:
        """One step with R1 and some without."""
        with self.ways():
            self.with_r1.append(self.take_step(True))
            self.plain += [self.take_step(False) for _ in range(steps)]

    def warm_up(self) -> None:
        """Takes one step of each kind, which is not counted."""
        self.turn(1)
        self.plain, self.with_r1 = [], []

    def rate(self) -> float:
        """Images per second."""
        seconds = median(self.plain) * (R1_EVERY - 1) / R1_EVERY + median(self.with_r1) / R1_EVERY
        return len(self.real) / seconds


def synchronize(device: torch.device) -> None:
    if device.type == "cuda":
        torch.cuda.synchronize(device)


def take_turns(variants: list, turn: Callable, seconds: float) -> None:
    """Lets the variants take turns, A B A B, until the time is over, and at least twice."""
    start, rounds = time.monotonic(), 0
    while rounds < 2 or time.monotonic() - start < seconds * rounds / (rounds + 1):
        for variant in variants:
            turn(variant)
        rounds += 1


def measure_training(resolution: int, width: str, options: argparse.Namespace, device: torch.device) -> list[dict]:
    """One row for each variant."""
    names = [*VARIANTS, *(GPU_VARIANTS if device.type == "cuda" else ())]
    if resolve_precision("auto", device) == torch.float32:
        names.remove("ours, float32")
    names = [name for name in names if not options.only or name in ("reference", *options.only)]
    variants = [Variant(name, resolution, width, options.batch, device) for name in names]
    for variant in variants:
        variant.warm_up()
    take_turns(variants, lambda variant: variant.turn(options.steps), options.seconds)
    peak = measure_peak(device, variants[1].dtype)
    base = variants[0].rate()
    return [training_row(variant, base, peak, width) for variant in variants]


def training_row(variant: Variant, base: float, peak: float, width: str) -> dict:
    """What was measured of one variant; times of single steps are kept."""
    rate, flops = variant.rate(), count_flops(variant) if variant.name in ("reference", "ours") else 0
    return {
        "kind": "training", "variant": variant.name, "resolution": variant.real.shape[-1], "width": width,
        "batch": len(variant.real), "dtype": text_of(variant.dtype), "img_per_sec": round(rate, 3),
        "ratio": round(rate / base, 3), "sec_per_kimg": round(1000 / rate, 2),
        "sec_plain": [round(t, 5) for t in variant.plain], "sec_r1": [round(t, 5) for t in variant.with_r1],
        "compile_failed": variant.work.compiled.reason, "peak_gflops": round(peak / 1e9, 1),
        "of_peak": round(flops / median(variant.plain) / peak, 3),
    }  # fmt: skip


def text_of(dtype: torch.dtype) -> str:
    return str(dtype).removeprefix("torch.")


def count_flops(variant: Variant) -> int:
    """Floating-point operations of one plain step, from the shapes of its convolutions and products."""
    with variant.ways(), FlopCounterMode(display=False) as counter:
        variant.take_step(False)
    return counter.get_total_flops()


def measure_peak(device: torch.device, dtype: torch.dtype) -> float:
    """Operations per second of the faster of a square matrix product and a 3x3 convolution of 128 maps."""
    n = 8192 if device.type == "cuda" else 1024
    a = torch.randn(n, n, device=device, dtype=dtype)
    x = torch.randn(16, 128, 32, 32, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    w = torch.randn(128, 128, 3, 3, device=device, dtype=dtype).to(memory_format=torch.channels_last)
    best = 0.0
    for flops, work in (
        (2 * n**3, lambda: a @ a),
        (2 * 16 * 32**2 * 9 * 128**2, lambda: torch.nn.functional.conv2d(x, w, padding=1)),
    ):
        work()
        for _ in range(8):
            synchronize(device)
            start = CLOCK()
            work()
            synchronize(device)
            best = max(best, flops / (CLOCK() - start))
    return best


def measure_sampling(resolution: int, width: str, options: argparse.Namespace, device: torch.device) -> list[dict]:
    """Rows for drawing faces one at a time and sixteen at a time."""
    variants = [Variant(name, resolution, width, options.batch, device) for name in ("reference", "ours")]
    rows = []
    for batch in (1, 16):
        ws = torch.randn(batch, variants[0].state.config.num_ws, variants[0].state.config.dim_latent, device=device)
        times: dict[str, list[float]] = {variant.name: [] for variant in variants}

        @torch.no_grad()
        def draw(variant: Variant, ws=ws, times=times) -> None:
            with variant.ways():
                for _ in range(options.steps):
                    synchronize(device)
                    start = CLOCK()
                    variant.state.G_ema.synthesis(ws, noise_mode="const", dtype=torch.float32)
                    synchronize(device)
                    times[variant.name].append(CLOCK() - start)

        take_turns(variants, draw, options.seconds / 20)
        rate = {name: batch / median(found[1:]) for name, found in times.items()}
        rows += [
            {"kind": "sampling", "variant": name, "resolution": resolution, "width": width, "batch": batch,
             "img_per_sec": round(rate[name], 2), "ratio": round(rate[name] / rate["reference"], 3), "dtype": "float32"}
            for name in rate
        ]  # fmt: skip
    return rows


def measure_memory(resolution: int, width: str, options: argparse.Namespace, device: torch.device) -> list[dict]:
    """Rows with the most memory in use during steps; on a CPU each variant in a process of its own."""
    rows = []
    for name in ("reference", "ours"):
        if device.type == "cuda":
            torch.cuda.empty_cache()
            torch.cuda.reset_peak_memory_stats(device)
            Variant(name, resolution, width, options.batch, device).warm_up()
            peak = torch.cuda.max_memory_allocated(device)
        else:
            command = [sys.executable, __file__, "--memory_of", name, "--case", str(resolution), width]
            said = subprocess.run(
                [*command, "--batch", str(options.batch), "--device", "cpu"], capture_output=True, text=True, check=True
            )
            peak = int(said.stdout)
        rows.append(
            {"kind": "memory", "variant": name, "resolution": resolution, "width": width, "batch": options.batch,
             "peak_mib": round(peak / 2**20)}
        )  # fmt: skip
    return rows


def print_memory(name: str, resolution: int, width: str, batch: int) -> None:
    """Prints the bytes by which this process grows at most while it builds and trains a variant."""
    before = resident("VmRSS")
    Variant(name, resolution, width, batch, torch.device("cpu")).warm_up()
    print(resident("VmHWM") - before)


def resident(entry: str) -> int:
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(entry))
    return int(line.split()[1]) * 1024


def describe_machine(device: torch.device, options: argparse.Namespace) -> dict:
    """What the figures depend on."""
    cpu = platform.processor() or platform.machine()
    if Path("/proc/cpuinfo").exists():
        lines = [line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")]
        cpu = lines[0].split(":")[1].strip() if lines else cpu
    return {
        "device": torch.cuda.get_device_name(device) if device.type == "cuda" else cpu, "cores": os.cpu_count(),
        "threads": torch.get_num_threads(), "torch": torch.__version__, "clock": CLOCK.__name__,
    }  # fmt: skip


def print_tables(rows: list[dict], machine: dict) -> None:
    """The rows as Markdown."""
    print(f"\n{machine['device']}, {machine['threads']} threads, PyTorch {machine['torch']}.\n")
    training = [row for row in rows if row["kind"] == "training"]
    cases = list(dict.fromkeys((row["resolution"], row["width"]) for row in training))
    print("| a training step, img/s (ratio) | " + " | ".join(f"{size} px, {width}" for size, width in cases) + " |")
    print("|---|" + "---|" * len(cases))
    for name in dict.fromkeys(row["variant"] for row in training):
        found = {(row["resolution"], row["width"]): row for row in training if row["variant"] == name}
        cells = [f"{found[case]['img_per_sec']:.1f} ({found[case]['ratio']:.2f})" for case in cases]
        print(f"| {name} ({found[cases[0]]['dtype']}) | " + " | ".join(cells) + " |")
    print("\n| | batch | reference | ours | ratio |\n|---|---|---|---|---|")
    for ours in [row for row in rows if row["variant"] == "ours" and row["kind"] != "training"]:
        same = ("kind", "resolution", "width", "batch")
        other = next(r for r in rows if r["variant"] == "reference" and all(r[key] == ours[key] for key in same))
        key, unit = ("img_per_sec", "img/s") if ours["kind"] == "sampling" else ("peak_mib", "MiB")
        what = f"{ours['kind']}, {ours['resolution']} px, {ours['width']}, {unit}"
        print(f"| {what} | {ours['batch']} | {other[key]} | {ours[key]} | {ours[key] / other[key]:.2f} |")
    for row in training:
        if row["of_peak"]:
            print(f"\n{row['variant']}, {row['resolution']} px, {row['width']}: {row['of_peak']:.0%} of the "
                  f"{row['peak_gflops']:g} GFLOP/s of a bare matrix product or convolution", end="")  # fmt: skip
    print()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true", help="everything once, small; writes no results")
    parser.add_argument("--case", nargs=2, action="append", metavar=("RESOLUTION", "WIDTH"))
    parser.add_argument("--batch", type=int, default=0)
    parser.add_argument("--steps", type=int, default=PLAIN_STEPS, help="timed for each R1 step")
    parser.add_argument("--seconds", type=float, default=50.0, help="for each case, at least two rounds (default: 50)")
    parser.add_argument("--only", nargs="+", metavar="VARIANT", help="these and the reference; no sampling, no memory")
    parser.add_argument("--cpu_time", action="store_true", help="one thread's processor time: for a busy machine")
    parser.add_argument("--device", default="auto")
    parser.add_argument("--memory_of", help=argparse.SUPPRESS)
    options = parser.parse_args()
    device = resolve_device(options.device)
    if options.cpu_time:
        global CLOCK
        CLOCK = time.process_time
        torch.set_num_threads(1)
    cases = [(64, "small"), (64, "default"), (128, "small"), (128, "default")]
    cases += [(256, "gpu")] if device.type == "cuda" else []
    if options.quick:
        cases, options.batch, options.steps, options.seconds = [(32, "small")], 4, 1, 0.0
    cases = [(int(size), width) for size, width in options.case] if options.case else cases
    options.batch = options.batch or (32 if device.type == "cuda" else 16)
    if options.memory_of:
        print_memory(options.memory_of, *cases[0], options.batch)
        return
    machine, rows = describe_machine(device, options), []
    for size, width in cases:
        wanted = [measure_training]
        if not options.only and (width != "small" or options.quick):
            wanted += [measure_sampling, measure_memory]
        for measure in wanted:
            rows += measure(size, width, options, device)
            print(json.dumps(rows[-1]), file=sys.stderr)
    if not options.quick:
        results = ROOT / "bench" / "results"
        results.mkdir(parents=True, exist_ok=True)
        with open(results / "train_speed.jsonl", "a", encoding="utf-8") as file:
            file.writelines(json.dumps(machine | row) + "\n" for row in rows)
    print_tables(rows, machine)


if __name__ == "__main__":
    main()

"""What reading pictures adds to a training step: steps fed from the cache against steps fed one batch that stays.

    python bench/data.py --resolution 64 128

Both kinds take turns in one process, without R1, which would only make the step longer. Appends one JSON row per
resolution to bench/results/data.jsonl: "ratio" is the median over the turns of the time with data over the time
without; "batch_share" is the time that a batch takes by itself over that of a step.
"""

import argparse
import json
import platform
import statistics
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import repeat
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))


def write_pictures(folder: Path, n: int, side: int) -> None:
    """Writes n JPEGs of noise, which decode slowly and do not compress."""
    import numpy as np
    from PIL import Image

    rng = np.random.default_rng(0)
    for i in range(n):
        Image.fromarray(rng.integers(0, 256, (side, side, 3), dtype=np.uint8)).save(folder / f"{i:05d}.jpg")


def make_config(resolution: int, batch: int):
    """A small network trained at one resolution."""
    from sgan import TrainConfig

    level = resolution.bit_length() - 3
    sizes = dict(channel_base=32 * resolution, channel_max=64, dim_latent=128, n_fc=4)
    return TrainConfig(step=level, max_step=level, mini_batch_size=batch, d_reg_interval=1024, **sizes)


def seconds_per_step(state, batches: Iterator, steps: int, dtype) -> float:
    """Mean time of some training steps, the time to get their batches included."""
    import torch

    from sgan.training.arithmetic import Arithmetic
    from sgan.training.meter import Meter
    from sgan.training.step import step

    work, meter, start = Arithmetic(state, dtype), Meter(), time.perf_counter()
    for _ in range(steps):
        step(work, next(batches), meter)
        state.iteration = max(state.iteration % 1024, 1)  # never 0, which would be a step with R1
    if state.device.type == "cuda":
        torch.cuda.synchronize()
    return (time.perf_counter() - start) / steps


def measure(resolution: int, options: argparse.Namespace) -> dict:
    """One row."""
    from sgan.data.dataset import image_batches, open_dataset
    from sgan.networks.device import resolve_device, resolve_precision
    from sgan.training.state import TrainState

    device = resolve_device(options.device)
    dtype, config = resolve_precision("auto", device), make_config(resolution, options.batch)
    with tempfile.TemporaryDirectory() as folder:
        write_pictures(Path(folder), options.images, resolution)
        start = time.perf_counter()
        dataset = open_dataset(folder, resolution, Path(folder) / "cache")
        decoding = time.perf_counter() - start
        state = TrainState.create(config, device)
        state.iteration = 1
        read = image_batches(dataset, config)
        resident = repeat(next(read))
        seconds_per_step(state, resident, 2, dtype)  # warm-up
        times = [
            [seconds_per_step(state, batches, options.steps, dtype) for batches in (read, resident)]
            for _ in range(options.turns)
        ]
        start = time.perf_counter()
        for _ in range(50):
            next(read)
        batch_time = (time.perf_counter() - start) / 50
    plain = statistics.median(without for _, without in times)
    return {
        "resolution": resolution, "batch": options.batch, "images": options.images, "machine": platform.machine(),
        "device": str(device), "dtype": str(dtype).removeprefix("torch."),
        "ratio": round(statistics.median(with_data / without for with_data, without in times), 4),
        "batch_share": round(batch_time / plain, 4), "sec_per_batch": round(batch_time, 6),
        "sec_per_step": round(plain, 4), "decoded_per_sec": round(options.images / decoding),
    }  # fmt: skip


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--resolution", type=int, nargs="+", default=[64, 128])
    parser.add_argument("--batch", type=int, default=16)
    parser.add_argument("--images", type=int, default=1000)
    parser.add_argument("--turns", type=int, default=7)
    parser.add_argument("--steps", type=int, default=4, help="in one turn (default: 4)")
    parser.add_argument("--device", default="auto")
    options = parser.parse_args()
    results = ROOT / "bench" / "results"
    results.mkdir(parents=True, exist_ok=True)
    for resolution in options.resolution:
        row = measure(resolution, options)
        print(json.dumps(row))
        with open(results / "data.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

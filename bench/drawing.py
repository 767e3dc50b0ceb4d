"""How long one face takes with numpy alone, as a ratio to PyTorch, in one run.

python bench/drawing.py [--checkpoint checkpoints/faces] [--rounds 40]

On one thread, unless OMP_NUM_THREADS says more. Both take turns, so that whatever else the machine does falls on both
alike; medians of processor time are compared. The bar is 1.3.
"""

import argparse
import os
import statistics
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))
for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ.setdefault(name, "1")

import numpy as np
import torch

from sgan.faces.drawer import TorchDrawer, open_drawer
from sgan.faces.sampling import draw_images, seeds_to_ws
from sgan.weights.checkpoint import load_generator

BAR = 1.3


def main() -> int:
    """Prints both times and their ratio; 1 when the ratio is above the bar."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=str(ROOT / "checkpoints/faces"), help="file or folder")
    parser.add_argument("--rounds", type=int, default=40, help="faces by each (default: %(default)s)")
    options = parser.parse_args()
    torch.set_num_threads(int(os.environ["OMP_NUM_THREADS"]))
    drawers = {
        "numpy": open_drawer(options.checkpoint, "cpu"),
        "torch": TorchDrawer(load_generator(options.checkpoint)),
    }
    ws = seeds_to_ws(drawers["numpy"], range(options.rounds), 0.7)
    times: dict[str, list[float]] = {name: [] for name in drawers}
    pictures: dict[str, list[np.ndarray]] = {name: [] for name in drawers}
    for one in ws:
        for name, drawer in drawers.items():
            began = time.process_time()
            pictures[name] += draw_images(drawer, one[None])
            times[name].append(time.process_time() - began)
    medians = {name: statistics.median(found) for name, found in times.items()}
    ratio = medians["numpy"] / medians["torch"]
    same = np.mean(np.abs(np.int16(pictures["numpy"]) - np.int16(pictures["torch"])) <= 1)
    told = ", ".join(f"{name} {1000 * median:.1f} ms" for name, median in medians.items())
    print(f"a face: {told}; ratio {ratio:.2f} (bar {BAR}); {100 * same:.3f} % of the values within one level")
    return int(ratio > BAR)


if __name__ == "__main__":
    sys.exit(main())

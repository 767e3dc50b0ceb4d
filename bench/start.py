"""How long commands take to start, as ratios to a bare `import torch` or a bare Python, in one run.

python bench/start.py [--rounds 5]

The commands take turns, so that whatever else the machine does falls on all of them alike; medians are compared. Byte
code must be in place, as it is from the second round on. Appends a line to bench/results/start.jsonl.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image
from skimage.data import astronaut

ROOT = Path(__file__).resolve().parent.parent
RESULTS = ROOT / "bench" / "results" / "start.jsonl"
TINY = "--max_step 1 --n_fc 1 --dim_latent 8 --channel_base 64 --channel_max 8 --mini_batch_size 4 --n_sample_total 4"
FIRST_STEP = """
import sys
from sgan.cli.main import build_parser, make_config
from sgan.events import Step
from sgan.launch.run import run_training
for event in run_training(make_config(build_parser().parse_args(sys.argv[1:]), cuda=False)):
    if isinstance(event, Step):
        break
"""


class Command(NamedTuple):
    """Words after `python`, the command that it is compared with, and the bar: a ratio to it, or seconds."""

    words: list[str]
    help: str
    base: str = ""
    ratio: float | None = None
    seconds: float | None = None


def make_commands(folder: Path) -> dict[str, Command]:
    """What is started, by name; the folder takes what they write, and holds pictures to train on."""
    for i in range(8):
        pixels = np.random.default_rng(i).integers(0, 256, (16, 16, 3), dtype=np.uint8)
        (folder / "faces").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(folder / "faces" / f"{i}.png")
    Image.fromarray(astronaut()).save(folder / "photo.png")
    train = f"train --device cpu --image_folder_path {folder}/faces --save_folder_path {folder}/run --is_continue False"
    sample = f"-m sgan sample --device cpu --seeds 3 --out {folder}/face.png"
    swap = f"faceswap/main.py --src {folder}/photo.png --dst {folder}/photo.png --out {folder}/swap.png"
    return {
        "python": Command(["-c", "pass"], "a bare Python"),
        "torch": Command(["-c", "import torch"], "a bare import of torch", "python"),
        "sgan --help": Command(["-m", "sgan", "--help"], "the help of all commands", "python", seconds=0.25),
        "sgan train --help": Command(["-m", "sgan", "train", "--help"], "the help of one", "python", seconds=0.25),
        "sgan sample": Command(sample.split(), "one face of the shipped checkpoint", "python", seconds=0.9),
        "sgan train": Command(["-c", FIRST_STEP, *train.split(), *TINY.split()], "until the first step", "torch"),
        "faceswap --help": Command(["faceswap/main.py", "--help"], "the help of the swap", "python", seconds=0.25),
        "faceswap": Command([*swap.split(), "--no_debug_window"], "one photo", "python"),
    }


def processor_time() -> float:
    """Seconds that ended processes have computed, which other work on the machine lengthens less than their time."""
    times = os.times()
    return times.children_user + times.children_system


def time_rounds(commands: dict[str, Command], rounds: int, folder: Path) -> dict[str, list[tuple[float, float]]]:
    """(seconds, processor seconds) of every command, {name: [rounds]}, after one round that does not count."""
    environment = os.environ | {"RANDOM_UNREAL_FACE_CACHE": str(folder / "cache"), "PYTHONDONTWRITEBYTECODE": ""}
    times: dict[str, list[tuple[float, float]]] = {name: [] for name in commands}
    for number in range(rounds + 1):
        for name, command in commands.items():
            began, computed = time.perf_counter(), processor_time()
            run = [sys.executable, *command.words]
            done = subprocess.run(run, cwd=ROOT, env=environment, capture_output=True, text=True, check=False)
            if done.returncode:
                raise RuntimeError(f"{name} failed: {done.stderr.strip()[-300:]}")
            if number:
                times[name].append((time.perf_counter() - began, processor_time() - computed))
    return times


def main() -> None:
    """Prints a table and keeps its numbers."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=5, help="times that everything is started (default: %(default)s)")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        commands = make_commands(Path(folder))
        times = time_rounds(commands, options.rounds, Path(folder))
    rows: dict[str, dict] = {}
    print(f"{'command':18} {'seconds':>8} {'ratio':>6} {'computed':>9} {'ratio':>6} to      bar")
    for name, command in commands.items():
        wall, computed = (statistics.median(values) for values in zip(*times[name], strict=True))
        base = rows.get(command.base, {"seconds": wall, "computed": computed})
        ratios = wall / base["seconds"], computed / base["computed"]
        rows[name] = {"seconds": wall, "computed": computed, "base": command.base, "ratios": ratios}
        bar = f"ratio {command.ratio}" if command.ratio else f"{command.seconds} s" if command.seconds else ""
        numbers = f"{wall:8.2f} {ratios[0]:6.2f} {computed:9.2f} {ratios[1]:6.2f}"
        print(f"{name:18} {numbers} {command.base:7} {bar:10} {command.help}")
    row = {"cores": os.cpu_count(), "rounds": options.rounds, "load": os.getloadavg()[0], "commands": rows}
    with open(RESULTS, "a", encoding="utf-8") as file:
        file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

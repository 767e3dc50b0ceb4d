"""How good the detail network is on pictures that were held out of its training, beside what others do.

    python bench/detail.py --detail checkpoints/detail --images faces --out results/detail

Held-out pictures are reduced to 128 pixels by the mean of 4 x 4, enlarged to 512 by each way, and compared with what
they were: distance of EfficientNet-lite0's features (of unit length in every place, arXiv 1801.03924, at strides 2 to
32; needs the extra "judge"), PSNR, high-frequency energy in octaves, seconds a picture. Writes a sheet to look at, and
one JSON row a way to bench/results/detail.jsonl.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np

ROOT = Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT), str(ROOT / "bench")]

RESOLUTION, SMALL = 512, 128
BANDS = ("32-64", "64-128", "128-256")  # cycles per picture; a picture of 128 pixels holds none of the last two
SHEET = 6


def psnr(a: np.ndarray, b: np.ndarray) -> float:
    """Peak signal to noise ratio in dB."""
    return float(10 * np.log10(255**2 / max(np.square(a.astype(np.float64) - b).mean(), 1e-12)))


def enlargers(network) -> dict[str, Callable[[np.ndarray], np.ndarray]]:
    """What makes 512 pixels of 128, by name."""
    from PIL import Image

    from sgan.networks.detail import add_detail

    def resize(method: Image.Resampling) -> Callable[[np.ndarray], np.ndarray]:
        return lambda picture: np.asarray(Image.fromarray(picture).resize((RESOLUTION, RESOLUTION), method))

    return {
        "bicubic": resize(Image.Resampling.BICUBIC),
        "lanczos": resize(Image.Resampling.LANCZOS),
        "detail": lambda picture: add_detail(network, picture[None])[0],
    }


def judge(made: list[np.ndarray], large: list[np.ndarray], network) -> dict[str, float]:
    """The measures of one way, over all pictures."""
    import torch

    from sgan.judging.features import to_tensor
    from sgan.judging.metrics import octave_ratios
    from sgan.networks.efficientnet import feature_distance

    with torch.no_grad():
        pairs = ((to_tensor(a[None]), to_tensor(b[None])) for a, b in zip(made, large))
        distances = [float(feature_distance(network, a, b)) for a, b in pairs]
    octaves = octave_ratios(np.stack(large), np.stack(made))
    return {
        "features": float(np.mean(distances)),
        "psnr": float(np.mean([psnr(a, b) for a, b in zip(made, large)])),
        **{f"octaves {band}": octaves[band] for band in BANDS},
    }


def main() -> None:
    """Measures, prints a table and writes rows and a sheet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--detail", required=True, help="state or run folder of the detail network")
    parser.add_argument("--images", required=True, help="the folder that it was trained on")
    parser.add_argument("--n", type=int, default=100, help="held-out pictures (default: %(default)s)")
    parser.add_argument("--out", default="results/detail", help="folder of the sheet (default: %(default)s)")
    options = parser.parse_args()

    from provenance import COMPOSITE, Mark, write_image
    from sgan.data.crops import shrink, split_pictures
    from sgan.data.dataset import open_dataset
    from sgan.viz import make_grid
    from sgan.weights.companions.detail import load_detail_network
    from sgan.weights.companions.efficientnet import load_efficientnet

    dataset, efficientnet = open_dataset(options.images, RESOLUTION), load_efficientnet()
    network = load_detail_network(options.detail)
    large = [dataset.pixels[RESOLUTION][i] for i in split_pictures(dataset)[1][: options.n]]
    small = [shrink(picture) for picture in large]
    cells, about = [], {"detail": network.checkpoint_hash, "pictures": len(large)}
    for name, enlarge in enlargers(network).items():
        enlarge(small[0])
        start = time.perf_counter()
        made = [enlarge(picture) for picture in small]
        seconds = (time.perf_counter() - start) / len(made)
        row = {"way": name, **judge(made, large, efficientnet), "seconds": seconds}
        print(", ".join(f"{key} {value:.4g}" if isinstance(value, float) else value for key, value in row.items()))
        with open(ROOT / "bench" / "results" / "detail.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(about | row) + "\n")
        cells.append(made[:SHEET])
    rows = [cell for row in zip(*cells, large[:SHEET]) for cell in row]
    write_image(Path(options.out) / "sheet.jpg", make_grid(np.stack(rows), len(cells) + 1), Mark(COMPOSITE, about))


if __name__ == "__main__":
    main()

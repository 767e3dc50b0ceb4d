"""Draws the pictures of docs/swap.md: what each option does, on the astronaut of scikit-image.

python bench/swap_pictures.py --src results/face.png [--out img]
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import cv2
import numpy as np
from skimage import data

from faceswap.find.mesh import MeshLandmarker
from faceswap.jobs.sheet import cut_square, label
from faceswap.media.images import Picture, read_picture, write_picture
from faceswap.swap import Options, Swapper, describe
from graphs.silence import silent_libraries

SIDE = 300
ROWS = {
    "colour": {"photo": None, "no flag": {"correct_color": False}, "--correct_color": {}},
    "warp": {"photo": None, "default": {}, "--warp_2d": {"warp_2d": True}},
    "mask": {"--mask auto": {}, "--mask oval": {"mask": "oval"}, "--mask brows": {"mask": "brows"}},
    "feather": {f"--feather {f:g}": {"feather": f} for f in (0.02, 0.1, 0.3)},
    "blend": {"--blend feather": {}, "--blend poisson": {"blend": "poisson"}, "--strength 0.5": {"strength": 0.5}},
    "mouth": {f"--keep_mouth {k}": {"keep_mouth": k} for k in ("auto", "always", "never")},
    "grain": {f"--match_grain {g:g}": {"match_grain": g} for g in (0.0, 0.5, 1.0)},
}


def main() -> None:
    """Writes one picture for each row."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--src", required=True, help="a face, best one that the project has made")
    parser.add_argument("--out", default=str(ROOT / "img"), help="folder")
    args = parser.parse_args()
    photo = np.ascontiguousarray(data.astronaut())
    grey = np.repeat(cv2.cvtColor(photo, cv2.COLOR_RGB2GRAY)[:, :, None], 3, 2)
    bent = cv2.warpAffine(photo, cv2.getRotationMatrix2D((225, 130), 35, 1), (512, 512), borderMode=cv2.BORDER_REFLECT)
    small = cv2.resize(photo, (128, 128), interpolation=cv2.INTER_AREA)
    source = read_picture(args.src).rgb
    with silent_libraries():
        landmarker = MeshLandmarker()
        points = Swapper(source, Options(), landmarker).find(source)[0]

        def swapped(image: np.ndarray, **options) -> np.ndarray:
            return Swapper(source, Options(**options), landmarker, points=points).swap(image)

        def cell(image: np.ndarray, text: str, of: np.ndarray) -> np.ndarray:
            return label(cut_square(image, landmarker.find(of)[0], SIDE, 0.5), text)

        for name, row in ROWS.items():
            cells = [cell(photo if o is None else swapped(photo, **o), text, photo) for text, o in row.items()]
            save(args, f"swap_{name}.jpg", np.hstack(cells))
        others = {"grey photo": grey, "tilted head": bent, "25 pixels": small}
        cells = [cell(swapped(image), text, image) for text, image in others.items()]
        save(args, "swap_photos.jpg", np.hstack(cells))


def save(args: argparse.Namespace, name: str, picture: np.ndarray) -> None:
    """Writes a picture of the document, marked with its source."""
    settings = describe(args.src, None, Options(), 1)
    write_picture(Path(args.out) / name, Picture(picture), settings, quality=88)


if __name__ == "__main__":
    main()

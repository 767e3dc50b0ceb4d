"""Draws the pictures of docs/tour: runs its commands on photos that come with packages, and keeps small sheets.

python bench/tour_pictures.py --work results/tour [--out img] [--only film shop]
"""

from __future__ import annotations

import argparse
import math
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[0] = str(ROOT)

import av
import cv2
import numpy as np
from matplotlib import cbook
from PIL import Image
from skimage import data

from faceswap.jobs.sheet import grid, label
from provenance import read_mark, write_image
from provenance.xmp import from_xmp

QUALITY = 82
CLIP = 50  # frames


def main() -> None:
    """Makes the pictures of one tour after the other."""
    tours = {"start": draw_start, "shop": draw_shop, "film": draw_film, "game": draw_game, "research": draw_research}
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", type=Path, required=True, help="folder for what the commands write")
    parser.add_argument("--out", type=Path, default=ROOT / "img", help="folder of the pictures")
    parser.add_argument("--only", nargs="+", choices=tours, default=list(tours), help="which tours (default: all)")
    args = parser.parse_args()
    args.work.mkdir(parents=True, exist_ok=True)
    run("-m", "sgan", "sample", "--seeds", "31", "--truncation_psi", "0.7", "--out", args.work / "face.png")
    for name in args.only:
        tours[name](args.work, args.out)


def run(*command: str | Path) -> None:
    """Runs a command of the project."""
    subprocess.run([sys.executable, *map(str, command)], cwd=ROOT, check=True)


def keep(written: Path, target: Path, picture: np.ndarray | None = None, quality: int = QUALITY) -> None:
    """Writes a picture, or another one made of it, as a small JPEG with the mark of the file that a command wrote."""
    mark = read_mark(written)
    assert mark is not None, f"{written} carries no mark"
    write_image(target, read(written) if picture is None else picture, mark, quality=quality)


def read(path: Path) -> np.ndarray:
    """uint8 [H, W, 3] RGB."""
    return np.asarray(Image.open(path).convert("RGB"))


def draw_start(work: Path, out: Path) -> None:
    """One photo before and after, and sixteen people."""
    Image.fromarray(data.astronaut()).save(work / "photo.png")
    run("faceswap/main.py", "--src", work / "face.png", "--dst", work / "photo.png", "--out", work / "output.jpg",
        "--correct_color", "--no_debug_window", "--before_after", work / "both.png")  # fmt: skip
    keep(work / "both.png", out / "before_after.jpg", quality=90)
    run("-m", "sgan", "sample", "--seeds", "0-15", "--truncation_psi", "0.7", "--out", work / "sixteen")
    keep(work / "sixteen" / "grid.png", out / "faces.jpg", quality=88)


def draw_shop(work: Path, out: Path) -> None:
    """The contact sheet of a batch over two portraits in the public domain, each in several forms."""
    photos = work / "photos"
    photos.mkdir(exist_ok=True)
    suit = Image.fromarray(data.astronaut())
    uniform = Image.open(cbook.get_sample_data("grace_hopper.jpg", asfileobj=False)).convert("RGB")
    suit.save(photos / "suit.png")
    uniform.save(photos / "uniform.jpg", quality=95)
    suit.transpose(Image.Transpose.FLIP_LEFT_RIGHT).crop((100, 0, 400, 400)).save(photos / "close.jpg", quality=95)
    suit.convert("L").save(photos / "grey.jpg", quality=95)
    uniform.rotate(20, Image.Resampling.BICUBIC, fillcolor=(200, 200, 200)).save(photos / "tilted.jpg", quality=95)
    run("-m", "faceswap", "batch", "--src", work / "face.png", "--dst", photos, "--out", work / "shop",
        "--correct_color")  # fmt: skip
    sheet = work / "shop" / "contact_sheet.jpg"
    keep(sheet if read_mark(sheet) else work / "shop" / "suit.png", out / "tour_shop.jpg", read(sheet))


def draw_film(work: Path, out: Path) -> None:
    """Frames of a clip, above as they were, below with the other face."""
    draw_clip(work / "clip.mp4")
    run("faceswap/main_video.py", "--src_img", work / "face.png", "--video_path", work / "clip.mp4",
        "--correct_color", "--save_path", work / "film.mp4")  # fmt: skip
    chosen = range(4, CLIP, 10)
    rows = [[frames_of(work / name)[i][:, 60:330] for i in chosen] for name in ("clip.mp4", "film.mp4")]
    strip = np.vstack([np.hstack(row) for row in rows])
    with av.open(str(work / "film.mp4")) as film:
        mark = from_xmp(film.metadata["comment"])
    small = cv2.resize(strip, None, fx=0.75, fy=0.75, interpolation=cv2.INTER_AREA)
    write_image(out / "tour_film.jpg", small, mark, quality=QUALITY)


def draw_clip(path: Path) -> None:
    """A camera that moves over a portrait: two seconds, 384 x 384."""
    photo = data.astronaut()
    with av.open(str(path), "w") as film:
        stream = film.add_stream("libx264", rate=25)
        stream.width = stream.height = 384
        stream.pix_fmt = "yuv420p"
        for t in range(CLIP):
            swing = math.sin(2 * math.pi * t / CLIP)
            turn = cv2.getRotationMatrix2D((224, 128), 15 * swing, 1.3 + 0.35 * swing)
            turn[:, 2] += (192 - 224, 170 - 128)
            frame = cv2.warpAffine(photo, turn, (384, 384), borderMode=cv2.BORDER_REPLICATE)
            film.mux(stream.encode(av.VideoFrame.from_ndarray(frame, format="rgb24")))
        film.mux(stream.encode())


def frames_of(path: Path) -> list[np.ndarray]:
    """All frames, uint8 [H, W, 3] RGB."""
    with av.open(str(path)) as film:
        return [frame.to_ndarray(format="rgb24") for frame in film.decode(video=0)]


def draw_game(work: Path, out: Path) -> None:
    """Forty characters; families that share a build; one character along three directions."""
    run("-m", "sgan", "sample", "--seeds", "0-39", "--truncation_psi", "0.9", "--out", work / "cast")
    keep(work / "cast" / "grid.png", out / "tour_cast.jpg")
    run("-m", "sgan", "sample", "--seeds", "3-5", "--mix_seeds", "10-14", "--style_mixing", "0", "1", "2",
        "--out", work / "mix")  # fmt: skip
    keep(work / "mix" / "grid.png", out / "tour_mix.jpg")
    cells = []
    for name, amounts in {"turn": (-2, -1, 0, 1), "smile": (-4, -1, 2, 5), "long hair": (-1.5, 0, 2.5, 5)}.items():
        for amount in amounts:
            file = work / "edit" / f"{name} {amount}.png"
            run("-m", "sgan", "sample", "--seeds", "34", "--edit", f"{name}={amount}", "--out", file)
            cells.append(label(read(file), f"{name} {amount:+g}"))
    keep(file, out / "tour_edit.jpg", grid(cells, 4))


def draw_research(work: Path, out: Path) -> None:
    """What a first training shows: the same latents at 8, 16 and 32 pixels, and the losses."""
    run("-m", "sgan", "sample", "--seeds", "100-499", "--truncation_psi", "1", "--out", work / "faces")
    (work / "faces" / "grid.png").unlink()
    run("-m", "sgan", "train", "--image_folder_path", work / "faces", "--save_folder_path", work / "run",
        "--max_step", "3", "--n_sample", "4000", "--n_sample_total", "20000", "--n_show_grid", "100",
        "--device", "cpu")  # fmt: skip
    keep_growth(work / "run", out)


def keep_growth(run_dir: Path, out: Path) -> None:
    """A grid of each resolution, of which the upper left faces are shown, and the losses."""
    last = {}
    for path in sorted(run_dir.glob("grid-*")):
        last[len(read(path))] = path
    squares = []
    for side, path in sorted(last.items()):
        corner = read(path)[: side // 2, : side // 2]
        seen = f"{int(path.stem.split('-')[1]):,} images"
        squares.append(label(cv2.resize(corner, (320, 320), interpolation=cv2.INTER_NEAREST), seen))
    keep(path, out / "tour_growth.jpg", np.hstack(squares))
    keep(path, out / "tour_losses.jpg", read(run_dir / "losses.png"))


if __name__ == "__main__":
    main()

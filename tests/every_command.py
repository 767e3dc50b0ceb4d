"""Every command of the project with small work to do, for tests that run them all under one condition."""

import os
import subprocess
import sys
from pathlib import Path

import av
import numpy as np
from desk import TINY, draw_pictures, other_face, photo
from PIL import Image

from provenance import GENERATED, Mark, write_image
from sgan.config import TrainConfig
from sgan.training.state import TrainState
from sgan.weights.checkpoint import save_generator

ROOT = Path(__file__).resolve().parent.parent
PHOTO, FILM = ROOT / "faceswap" / "main.py", ROOT / "faceswap" / "main_video.py"
TRAIN = (
    "-m sgan train --image_folder_path {desk}/pictures --step 1 --max_step 2 --n_fc 2 --dim_latent 8 --channel_base 64 "
    "--channel_max 8 --mini_batch_size 4 --n_show_loss 2 --n_show_grid 2 --device cpu --n_sample_total 16"
)
DETAIL = (
    "-m sgan train-detail --image_folder_path {desk}/pictures --channels 4 --last_channels 3 --deep_blocks 1 --crop 16 "
    "--mini_batch_size 2 --n_show_loss 2 --device cpu --n_sample_total 4"
)

# A command -> its words: {desk} is what `fill_desk` has filled, {out} a folder of the command's own.
COMMANDS = {
    "sample": "-m sgan sample --seeds 3-4 --out {out}",
    "show": "-m sgan show {desk}/face.png",
    "inspect": "-m sgan inspect {desk}/pictures --out {out}/sheet.jpg",
    "train": f"{TRAIN} --save_folder_path {{out}}",
    "train by two": f"{TRAIN} --n_gpu 2 --save_folder_path {{out}}",
    "train detail": f"{DETAIL} --save_folder_path {{out}}",
    "convert": "-m sgan convert {desk}/tiny.safetensors {out}/tiny.safetensors",
    "convert to ONNX": "-m sgan convert {desk}/tiny.safetensors {out}/tiny.onnx",
    "metrics": "-m sgan metrics --checkpoint {desk}/tiny.safetensors --n 10 --out {out} --image_folder_path {desk}/pictures",  # noqa: E501
    "photo": f"{PHOTO} --src {{desk}}/face.png --dst {{desk}}/photos/a.png --out {{out}}/a.jpg --no_debug_window",
    "swap": "-m faceswap swap --src {desk}/face.png --dst {desk}/photos/a.png --out {out}/a.png --no_debug_window",
    "batch": "-m faceswap batch --src {desk}/face.png --dst {desk}/photos --out {out} --workers 2",
    "align": "-m faceswap align --src {desk}/photos --out {out}",
    "film": f"{FILM} --src_img {{desk}}/face.png --video_path {{desk}}/film.mp4 --save_path {{out}}/film.mp4",
    "film as GIF": f"{FILM} --src_img {{desk}}/face.png --video_path {{desk}}/film.mp4 --save_path {{out}}/film.gif",
    "pages": "-m panels.serve --version",
}


def fill_desk(folder: Path) -> Path:
    """Writes what COMMANDS work on; returns the folder."""
    draw_pictures(folder / "pictures", 40, 64)
    save_generator(TrainState.create(TrainConfig(**TINY)).G_ema, folder / "tiny.safetensors", {})
    write_image(folder / "face.png", other_face(), Mark(GENERATED, {"seed": 3}))
    (folder / "photos" / "deep").mkdir(parents=True)
    for name in ("a.png", "deep/b.jpg"):
        Image.fromarray(photo()).save(folder / "photos" / name)
    with av.open(str(folder / "film.mp4"), "w") as film:
        stream = film.add_stream("libx264", rate=10)
        stream.width = stream.height = 256
        stream.pix_fmt = "yuv420p"
        for _ in range(3):
            film.mux(stream.encode(av.VideoFrame.from_ndarray(np.ascontiguousarray(photo()[::2, ::2]))))
        film.mux(stream.encode(None))
    return folder


def run_command(name: str, desk: Path, out: Path, first_on_path: Path, **variables) -> subprocess.CompletedProcess:
    """Runs one of COMMANDS in an empty folder `elsewhere` beside `out`, with an empty home and temporary folder there.

    first_on_path: a folder with a `sitecustomize.py`, which Python and every Python that it starts run first.
    variables: of the environment.
    """
    places = {place: out.with_name(place) for place in ("elsewhere", "home", "temporary", "cache")}
    for place in places.values():
        place.mkdir(parents=True)
    own = {"DISPLAY", "WAYLAND_DISPLAY", "XDG_CACHE_HOME", "XDG_CONFIG_HOME", "MPLCONFIGDIR", "PYTHONDONTWRITEBYTECODE"}
    own |= {"TORCHINDUCTOR_CACHE_DIR"}  # PyTorch sets it in a process that has exported before
    environment = {key: value for key, value in os.environ.items() if key not in own} | {
        "HOME": str(places["home"]),
        "USERPROFILE": str(places["home"]),
        "TMPDIR": str(places["temporary"]),
        "RANDOM_UNREAL_FACE_CACHE": str(places["cache"]),
        "PYTHONPATH": os.pathsep.join(map(str, (first_on_path, ROOT))),
        "OMP_NUM_THREADS": "1",
    }
    words = [word.format(desk=desk, out=out) for word in COMMANDS[name].split()]
    return subprocess.run(
        [sys.executable, *words], cwd=places["elsewhere"], env=environment | variables, capture_output=True, check=False
    )

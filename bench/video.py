"""Measures films and folders: how much longer a face takes than decoding and encoding alone, and what workers bring.

python bench/video.py [--src FACE] [--photo PHOTO] [--frames 240] [--rounds 3] [--photos 24]

Without files, the astronaut of scikit-image is the photo and, mirrored and recoloured, the face. The clip is the photo
under a camera that moves a little and is a little noisy. All that is compared is done in turn, several times, in one
run; the ratio is that of the shortest times. Say how many processors the machine has, and that nothing else runs.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "bench")]

import av
import cv2
import numpy as np
from skimage import data
from swap_bench import SIZES, frame_of

from faceswap.find.mesh import MeshLandmarker
from faceswap.find.tracking import Tracker
from faceswap.jobs.batch import FAILED, Job, run_batch
from faceswap.jobs.film import swap_video
from faceswap.media.encoder import OPTIONS, Writer
from faceswap.media.images import read_image, write_plain
from faceswap.swap import Options, Swapper
from graphs.silence import silent_libraries

NOISE = 2.0  # sigma of the camera's, grey levels
RATE = Fraction(30)


def make_clip(path: Path, still: np.ndarray, count: int) -> None:
    """Writes a clip of a still picture, uint8 [H, W, 3] RGB, under a moving, noisy camera."""
    height, width = still.shape[:2]
    noise = np.random.default_rng(0).normal(0, NOISE, (8, height, width, 3)).astype(np.float32)
    writer = Writer(path, None, {})
    for number in range(count):
        move = 0.03 * height * np.sin(number / 9), 0.01 * height * np.cos(number / 7)
        shift = np.float32([[1, 0, move[0]], [0, 1, move[1]]])
        image = cv2.warpAffine(still, shift, (width, height), borderMode=cv2.BORDER_REPLICATE)
        noisy = np.clip(np.roll(noise[number % 8], number, 0) + image, 0, 255).astype(np.uint8)
        writer.write_frame(noisy, round(1000 * number / RATE), Fraction(1, 1000))
    writer.close()


def transcode(clip: Path, out: Path) -> None:
    """Decodes and encodes a clip with the settings of a film with a new face, and nothing else."""
    with av.open(str(clip)) as source, av.open(str(out), "w") as result:
        like = source.streams.video[0]
        like.thread_type = "AUTO"
        video = result.add_stream("libx264", rate=like.average_rate, options=OPTIONS["libx264"])
        video.width, video.height, video.pix_fmt = like.width, like.height, "yuv420p"
        video.codec_context.time_base = like.time_base
        for frame in source.decode(like):
            frame.pict_type = 0  # the encoder chooses, as for new pictures
            result.mux(video.encode(frame))
        result.mux(video.encode(None))


def spans(works: dict[str, Callable[[], object]], rounds: int) -> dict[str, tuple[float, float]]:
    """Returns the shortest (wall, processor) seconds of each piece of work, all done in turn."""
    seen: dict[str, list] = {name: [] for name in works}
    for _ in range(rounds):
        for name, work in works.items():
            wall, own = time.perf_counter(), sum(os.times()[:4])
            work()
            seen[name].append((time.perf_counter() - wall, sum(os.times()[:4]) - own))
    return {name: tuple(np.min(times, axis=0)) for name, times in seen.items()}


def films(landmarker: MeshLandmarker, src: np.ndarray, photo: np.ndarray, count: int, rounds: int) -> None:
    """Prints what a frame of a film costs, bare and with a new face, and their ratio."""
    swapper, points = Swapper(src, Options(), landmarker), landmarker.find(photo)[0]

    def swap(image: np.ndarray, tracks: list) -> np.ndarray:
        return swapper.swap(image, [track.points for track in tracks], moving=True)

    with tempfile.TemporaryDirectory() as folder:
        bare, out = (Path(folder) / f"{name}.mp4" for name in ("bare", "out"))
        for name in ("720p", "1080p"):
            clip = Path(folder) / f"{name}.mp4"
            make_clip(clip, frame_of(SIZES[name], photo, points), count)
            works = {
                "bare": lambda clip=clip: transcode(clip, bare),
                "swap": lambda clip=clip: deque(swap_video(clip, out, Tracker(landmarker), swap, {}), 0),
            }
            found = spans(works, rounds)
            for what, times in found.items():
                wall, own = (1e3 * v / count for v in times)
                print(f"{name} {what}: {wall:6.2f} ms a frame, {own:6.2f} ms of processor")
            print(f"{name} swap / bare: {found['swap'][0] / found['bare'][0]:.2f}")


def folders(src: np.ndarray, photo: np.ndarray, points: np.ndarray, count: int, rounds: int) -> None:
    """Prints how much sooner a folder of photos is done by a worker for each of two processors than by one."""
    with tempfile.TemporaryDirectory() as folder:
        face, photos = Path(folder) / "face.png", Path(folder) / "photos"
        write_plain(face, src)
        photos.mkdir()
        for number in range(count):
            write_plain(
                photos / f"{number:03}.jpg", frame_of(SIZES["1080p"], photo, points, 0.2 + 0.2 * number / count)
            )

        def batch(workers: int) -> None:
            with tempfile.TemporaryDirectory() as out:
                rows = list(run_batch(Job(str(face), Options()), photos, Path(out), workers))
                assert len(rows) == count and all(row.status != FAILED for row in rows)

        found = spans({str(n): lambda n=n: batch(n) for n in (1, 2)}, rounds)
        for workers, (wall, own) in found.items():
            print(f"batch of {count}, {workers} workers: {wall:6.2f} s, {own:6.2f} s of processor")
        print(f"batch, two workers / one: {found['1'][0] / found['2'][0]:.2f} times as fast")


def main() -> None:
    """Runs all measurements and prints them."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--src", help="picture of the face to put in")
    parser.add_argument("--photo", help="picture of the person")
    parser.add_argument("--frames", type=int, default=240, help="of each clip (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=3, help="times that all is done (default: %(default)s)")
    parser.add_argument("--photos", type=int, default=24, help="in the folder, 0 for no batch (default: %(default)s)")
    args = parser.parse_args()
    astronaut = np.ascontiguousarray(data.astronaut())
    tinted = np.clip(astronaut[:, ::-1] * [0.75, 0.62, 0.5], 0, 255).astype(np.uint8)
    src, photo = (read_image(path) if path else own for path, own in ((args.src, tinted), (args.photo, astronaut)))
    with silent_libraries():
        landmarker = MeshLandmarker()
        films(landmarker, src, photo, args.frames, args.rounds)
        if args.photos:
            folders(src, photo, landmarker.find(photo)[0], args.photos, args.rounds)


if __name__ == "__main__":
    main()

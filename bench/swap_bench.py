"""Measures the face swap: time per stage, and how well the result fits; one row per measurement.

python bench/swap_bench.py [--sources DIR] [--targets DIR] [--quick] [--out bench/results/swap.csv]

Without folders, the astronaut of scikit-image is the target and, mirrored and recoloured, the source. Times are those
of processor and of wall per frame: run it on an idle machine, and say which. It takes about five minutes on two cores.
"""

from __future__ import annotations

import argparse
import csv
import os
import platform
import sys
import tempfile
import time
from collections import deque
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path[:1] = [str(ROOT), str(ROOT / "bench")]

import cv2
import numpy as np
from skimage import data
from swap_reference import swap_by_triangles

from faceswap.blend.sight import polygon
from faceswap.find.mesh import MeshLandmarker
from faceswap.find.tracking import Tracker
from faceswap.jobs.film import swap_video
from faceswap.media.encoder import Writer
from faceswap.media.images import list_photos, read_image
from faceswap.shape.regions import FROM_68, LEFT_EYE, OVAL, RIGHT_EYE, box_of, face_width, mesh, mirror_points
from faceswap.shape.warp import Maps, Source, add_rim, triangle_map
from faceswap.swap import Options, Swapper
from faceswap.tone.grain import detail_bands
from faceswap.tone.skin import skin_patches, to_lab
from graphs.silence import silent_libraries

SIZES = {"360p": (360, 640), "720p": (720, 1280), "1080p": (1080, 1920)}
JAW = ((58, 172, 136, 150, 169, 135, 138, 215), (288, 397, 365, 379, 394, 364, 367, 435))  # next to the neck
RECALL = (24, 40, 60, 80, 120)  # pixels
TURNS = (0, 15, 30, 45, 60)  # degrees
SWAPS = {
    "swap": {},
    "swap everything": {"blend": "poisson", "keep_mouth": "always"},
    "swap without colour": {"correct_color": False},
    "swap 2d": {"warp_2d": True},
}


def timed(work: Callable, times: int, middle: Callable = np.median) -> tuple[float, float]:
    """Returns processor and wall time of a call in milliseconds, after two calls to warm up.

    Args:
        middle: of the times; the median, or the mean where calls differ by design.
    """
    return tuple(middle(each_call(work, times), axis=0))


def each_call(work: Callable, times: int) -> list[tuple[float, float]]:
    """Returns processor and wall time of every call in milliseconds, after two calls to warm up."""
    spans = []
    for number in range(times + 2):
        wall, own = time.perf_counter(), time.process_time()
        work()
        if number > 1:
            spans.append((1e3 * (time.process_time() - own), 1e3 * (time.perf_counter() - wall)))
    return spans


def frame_of(size: tuple[int, int], photo: np.ndarray, points: np.ndarray, share: float = 0.35) -> np.ndarray:
    """Returns a frame in which the photo's face is `share` of the height wide."""
    factor = share * size[0] / face_width(points)
    part = cv2.resize(
        photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA if factor < 1 else cv2.INTER_CUBIC
    )
    middle = points[:, :2].mean(0) * factor
    shift = np.float32([[1, 0, size[1] / 2 - middle[0]], [0, 1, size[0] / 2 - middle[1]]])
    return cv2.warpAffine(part, shift, size[::-1], borderMode=cv2.BORDER_REPLICATE)


def speed(rows: list, landmarker: MeshLandmarker, source: np.ndarray, photo: np.ndarray, times: int) -> None:
    """Measures each stage at three frame sizes, and the classical way on the same frames."""
    points, plain = landmarker.find(photo)[0], Swapper(source, Options(), landmarker)
    for name, size in SIZES.items():
        frame = frame_of(size, photo, points)
        found = landmarker.find(frame)
        tracker = Tracker(landmarker)
        tracker.update(frame)
        rows.append(("time", f"face {name}", "pixels wide", face_width(found[0])))
        stages = {"find": lambda f=frame: landmarker.find(f)}
        together = {"follow": lambda f=frame, t=tracker: t.update(f)}  # a search beside it lasts into the swap
        for label, options in SWAPS.items():
            swapper = Swapper(source, Options(**options), landmarker)
            stages[label] = lambda s=swapper, f=frame, p=found: s.swap(f, p[:1], moving=True)
            together[f"follow + {label}"] = lambda s=swapper, f=frame, t=tracker: s.swap(
                f, [track.points for track in t.update(f)[:1]], moving=True
            )
        stages["swap a photo"] = lambda s=plain, f=frame, p=found: s.swap(f, p[:1])
        spans = {}
        for stage, work in stages.items():
            spans[stage] = timed(work, times)
            _add_times(rows, f"{stage} {name}", *spans[stage])
        for stage in ("follow", "follow + swap", "follow + swap everything"):
            each = np.array(each_call(together[stage], 5 * times))  # only some frames are searched: the mean tells
            _add_times(rows, f"{stage} {name}", *each.mean(0))
            rows.append(("time", f"{stage} {name}", "longest / median", (each.max(0) / np.median(each, axis=0))[1]))
        src, dst = (p[list(FROM_68), :2].astype(np.float64) for p in (landmarker.find(source)[0], found[0]))
        spans["classical"] = timed(lambda f=frame, a=src, b=dst: swap_by_triangles(source, a, f, b), max(times // 5, 1))
        _add_times(rows, f"classical, no detector {name}", *spans["classical"])
        rows.append(("time", f"classical / swap {name}", "times faster", spans["classical"][1] / spans["swap"][1]))


def _add_times(rows: list, what: str, own: float, wall: float) -> None:
    rows.append(("time", what, "processor ms", own))
    rows.append(("time", what, "wall ms", wall))


def pipeline(rows: list, landmarker: MeshLandmarker, source: np.ndarray, photo: np.ndarray, count: int) -> None:
    """Measures whole video files: decoded, followed, swapped and encoded, in threads that overlap."""
    swapper, points = Swapper(source, Options(), landmarker), landmarker.find(photo)[0]
    with tempfile.TemporaryDirectory() as folder:
        for name, size in SIZES.items():
            clip, still = Path(folder) / f"{name}.mp4", frame_of(size, photo, points)
            writer = Writer(clip, None, {})
            for number in range(count):
                shift = np.float32(
                    [[1, 0, 0.06 * size[0] * np.sin(number / 7)], [0, 1, 0.02 * size[0] * np.cos(number / 5)]]
                )
                image = cv2.warpAffine(still, shift, size[::-1], borderMode=cv2.BORDER_REPLICATE)
                writer.write_frame(image, 33 * number, Fraction(1, 1000))
            writer.close()

            def swap(image: np.ndarray, tracks: list) -> np.ndarray:
                return swapper.swap(image, [track.points for track in tracks], moving=True)

            wall, own = time.perf_counter(), time.process_time()
            last = deque(swap_video(clip, Path(folder) / "out.mp4", Tracker(landmarker), swap, {}), 1)[0]
            wall, own = (1e3 * v / last.frames for v in (time.perf_counter() - wall, time.process_time() - own))
            _add_times(rows, f"video file, per frame {name}", own, wall)
            rows.append(("time", f"video file {name}", "frames without a new face", last.frames - last.swapped))


def turned_view(photo: np.ndarray, points: np.ndarray, yaw: float) -> tuple[np.ndarray, np.ndarray]:
    """Returns a picture of a face alone, turned by `yaw` radians, on a plain head, and its landmarks [468, 3].

    The face is its own mesh, seen in perspective from six face widths. The depth that a network sees in a frontal face
    is a guess, so what is measured with these landmarks is an upper bound.
    """
    width, oval = face_width(points), points[list(OVAL)]
    centre = np.array([*oval[:, :2].mean(0), points[:, 2].mean() + 0.25 * width])
    cos, sin = np.cos(yaw), np.sin(yaw)
    solid = (points - centre) @ np.array([[cos, 0, sin], [0, 1, 0], [-sin, 0, cos]]).T
    solid[:, :2] *= (6 * width / (6 * width + solid[:, 2]))[:, None]
    turned, size = (solid + centre).astype(np.float32), photo.shape[:2]
    source = Source(photo, points)
    face = cv2.remap(source.image, Maps(source.points, turned, size).mesh, None, cv2.INTER_CUBIC)
    inside = (triangle_map(add_rim(turned), size) >= 2 * len(OVAL)).astype(np.float32)
    ground, (x, y) = np.full_like(photo, 185), centre[:2]
    cv2.ellipse(
        ground, (int(x), int(y - 0.12 * width)), (int(0.62 * width), int(0.75 * width)), 0, 0, 360, (70, 60, 55), -1
    )
    return cv2.blendLinear(face, ground, inside, 1 - inside), turned


def turned(rows: list, landmarker: MeshLandmarker, photos: list[np.ndarray]) -> None:
    """Measures which turned heads are found, and how far off their landmarks are."""
    for degrees in TURNS:
        errors = []
        for photo in photos:
            points = landmarker.find(photo)[0]
            for yaw in {-np.radians(degrees), np.radians(degrees)}:
                view, wanted = turned_view(photo, points, yaw)
                off = [np.linalg.norm(p[:, :2] - wanted[:, :2], axis=1).mean() for p in landmarker.find(view)]
                errors.append(100 * min(off, default=np.inf) / eyes_apart(points))
        found = [e for e in errors if e < 30]
        rows.append(("turned", f"{degrees} degrees", "share found", len(found) / len(errors)))
        if found:
            rows.append(("turned", f"{degrees} degrees", "landmark error %", np.median(found)))


def mirrored(rows: list, landmarker: MeshLandmarker, source: np.ndarray, photo: np.ndarray) -> None:
    """Measures how far the result of the mirrored pictures is from the mirrored result."""
    swapper = Swapper(source, Options(), landmarker)
    flipped, photo_flipped = (np.ascontiguousarray(v[:, ::-1]) for v in (source, photo))
    points = landmarker.find(photo)[0]
    own = landmarker.find(source)[0]
    other = Swapper(flipped, Options(), landmarker, points=mirror_points(own, source.shape[1]))
    straight = swapper.swap(photo, [points])
    known = other.swap(photo_flipped, [mirror_points(points, photo.shape[1])])[:, ::-1]
    found = Swapper(flipped, Options(), landmarker).swap(photo_flipped)[:, ::-1]
    inside = polygon(points, OVAL, photo.shape[:2]) > 0
    for name, result in (("same landmarks", known), ("landmarks found anew", found)):
        off = np.abs(result.astype(int) - straight)[inside]
        rows.append(("mirror", name, "mean difference, grey levels", off.mean()))
        rows.append(("mirror", name, "pixels within one level", (off.max(1) <= 1).mean()))


def eyes_apart(points: np.ndarray) -> float:
    """Returns the distance between the centres of the eyes in pixels."""
    return float(np.linalg.norm(points[list(LEFT_EYE), :2].mean(0) - points[list(RIGHT_EYE), :2].mean(0)))


def hull_mask(points: np.ndarray, size: tuple[int, int], patches: tuple) -> np.ndarray:
    """Returns bool [h, w] of some hulls of landmarks."""
    mask = np.zeros(size, np.uint8)
    for patch in patches:
        cv2.fillConvexPoly(mask, cv2.convexHull(np.round(points[list(patch), :2]).astype(np.int32)), 1)
    return mask > 0


def texture(image: np.ndarray, points: np.ndarray) -> np.ndarray:
    """Returns what a face looks like apart from its shape and tone: float32 [N], the detail of its lightness laid onto
    the mean face, of mean 0 and length 1."""
    mean = mesh().points
    flat = np.concatenate([48 + 0.022 * (mean[:, :2] - mean[list(OVAL), :2].mean(0)), mean[:, 2:]], 1).astype(
        np.float32
    )
    light = cv2.cvtColor(image, cv2.COLOR_RGB2GRAY).astype(np.float32)
    soft = cv2.GaussianBlur(light, (0, 0), max(face_width(points) / 80, 0.3))
    laid = cv2.remap(soft, Maps(points, flat, (96, 96)).mesh, None, cv2.INTER_LINEAR)
    detail = (laid - cv2.GaussianBlur(laid, (0, 0), 8))[polygon(flat, OVAL, (96, 96), 0.85) > 0]
    return (detail - detail.mean()) / max(float(np.linalg.norm(detail - detail.mean())), 1e-6)


def quality(rows: list, landmarker: MeshLandmarker, name: str, source: np.ndarray, target: np.ndarray) -> None:
    """Measures one pair: tone, landmarks, likeness, grain, and the swap of the target with itself."""
    found = landmarker.find(target)
    try:
        swapper = Swapper(source, Options(), landmarker)
        own = landmarker.find(source)[0]
    except ValueError:
        found = []
    if not found:
        rows.append(("pair", name, "unswapped", 1))
        return
    points = found[0]
    size, inside = target.shape[:2], polygon(points, OVAL, target.shape[:2]) > 0
    result = swapper.swap(target, [points])
    moving = landmarker.find(swapper.swap(target, [points], moving=True))
    before, after = to_lab(target), to_lab(result)
    for place, where in (("face", skin_patches(points, size)), ("jaw", hull_mask(points, size, JAW))):
        difference = np.linalg.norm(np.median(after[where], axis=0) - np.median(before[where], axis=0))
        rows.append(("pair", name, f"{place} colour CIE76", difference))
    again = landmarker.find(result)
    if again:
        off = np.linalg.norm(again[0][:, :2] - points[:, :2], axis=1).mean()
        rows.append(("pair", name, "landmark error %", 100 * off / eyes_apart(points)))
    if moving:
        off = np.linalg.norm(moving[0][:, :2] - points[:, :2], axis=1).mean()
        rows.append(("pair", name, "landmark error in a frame of many %", 100 * off / eyes_apart(points)))
    if again:
        looks = [texture(i, p) for i, p in ((source, own), (target, points), (result, again[0]))]
        rows.append(("pair", name, "likeness to the source", float(looks[2] @ looks[0])))
        rows.append(("pair", name, "likeness to the target", float(looks[2] @ looks[1])))
        rows.append(("pair", name, "source's likeness to the target", float(looks[0] @ looks[1])))
    cheeks = skin_patches(points, size)
    fine = [
        np.median(np.abs(detail_bands(cv2.cvtColor(i, cv2.COLOR_RGB2GRAY).astype(np.float32))[0][cheeks]))
        for i in (target, result)
    ]
    rows.append(("pair", name, "grain |log2|", abs(np.log2(max(fine[1], 0.05) / max(fine[0], 0.05)))))
    same = Swapper(target, Options(), landmarker, points=points).swap(target, [points])
    error = ((same.astype(np.float64) - target)[inside] ** 2).mean()
    rows.append(("pair", name, "self-swap dB", 10 * np.log10(255**2 / max(error, 1e-6))))


def shimmer(rows: list, landmarker: MeshLandmarker, source: np.ndarray, photo: np.ndarray, count: int) -> None:
    """Measures how much the swapped face of a resting person changes between noisy frames, and the photo's own face."""
    frame = frame_of(SIZES["720p"], photo, landmarker.find(photo)[0])
    swapper, rng = Swapper(source, Options(), landmarker), np.random.default_rng(0)
    inside = polygon(landmarker.find(frame)[0], OVAL, frame.shape[:2], 0.9) > 0
    for steady in (True, False):
        tracker, shown = Tracker(landmarker, steady), {"filtered" if steady else "unfiltered": [], "photo itself": []}
        for _ in range(count):
            noisy = np.clip(frame + rng.normal(0, 2, frame.shape), 0, 255).astype(np.uint8)
            result = swapper.swap(noisy, [track.points for track in tracker.update(noisy)], moving=True)
            for faces, image in zip(shown.values(), (result, noisy)):
                faces.append(cv2.GaussianBlur(image, (0, 0), 2)[inside].astype(np.float32))
        for name, faces in shown.items():
            if steady or name == "unfiltered":
                rows.append(("shimmer", name, "grey levels per frame", np.abs(np.diff(faces[5:], axis=0)).mean()))


def recall(rows: list, landmarker: MeshLandmarker, photos: list[np.ndarray], count: int) -> None:
    """Measures how many small faces in body shots of 1024 x 1536 pixels are found."""
    rng = np.random.default_rng(1)
    for width in RECALL:
        hits = extra = 0
        for number in range(count):
            photo = photos[number % len(photos)]
            points = landmarker.find(photo)[0]
            factor = width / face_width(points)
            small = cv2.resize(photo, None, fx=factor, fy=factor, interpolation=cv2.INTER_AREA)
            body = np.full((1536, 1024, 3), rng.integers(120, 230, 3), np.uint8)
            x, y = rng.integers(0, 1024 - small.shape[1]), rng.integers(0, 700)
            body[y + small.shape[0] // 2 :, max(x - 40, 0) : x + small.shape[1] + 40] = rng.integers(20, 120, 3)
            body[y : y + small.shape[0], x : x + small.shape[1]] = small
            box = box_of(points) * factor + np.float32([x, y, x, y])
            found = [box_of(p) for p in landmarker.find(body)]
            right = [np.abs(b - box).max() < 0.3 * width for b in found]
            hits, extra = hits + any(right), extra + len(found) - sum(right)
        rows.append(("recall", f"{width} px", "share found", hits / count))
        rows.append(("recall", f"{width} px", "wrong finds", extra))


def load(folder: str | None, count: int, otherwise: np.ndarray) -> list[np.ndarray]:
    """Returns up to `count` pictures, evenly chosen from a folder."""
    if folder is None:
        return [otherwise]
    paths = list_photos(folder)
    return [read_image(path) for path in paths[:: max(1, len(paths) // count)][:count]]


def main() -> None:
    """Runs all measurements, prints their medians and writes the rows."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sources", help="folder of faces")
    parser.add_argument("--targets", help="folder of photos")
    parser.add_argument("--pairs", type=int, default=17, help="how many pairs (default: %(default)s)")
    parser.add_argument("--quick", action="store_true", help="few repetitions, to try it")
    parser.add_argument("--out", default=str(ROOT / "bench" / "results" / "swap.csv"), help="where the rows go")
    args = parser.parse_args()
    astronaut = np.ascontiguousarray(data.astronaut())
    tinted = np.clip(astronaut[:, ::-1] * [0.75, 0.62, 0.5], 0, 255).astype(np.uint8)
    rows: list[tuple] = [("machine", platform.processor() or platform.machine(), "processors", os.cpu_count())]
    with silent_libraries():
        landmarker = MeshLandmarker()
        sources = load(args.sources, args.pairs, tinted)
        targets = load(args.targets, args.pairs, astronaut)
        for number in range(max(len(sources), len(targets))):
            source, target = sources[number % len(sources)], targets[number % len(targets)]
            quality(rows, landmarker, f"pair {number + 1}", source, target)
        first, photo, photos = sources[0], targets[0], targets[:6]
        speed(rows, landmarker, first, photo, 5 if args.quick else 25)
        pipeline(rows, landmarker, first, photo, 20 if args.quick else 120)
        shimmer(rows, landmarker, first, photo, 12 if args.quick else 40)
        mirrored(rows, landmarker, first, astronaut)
        turned(rows, landmarker, photos)
        recall(rows, landmarker, photos, 4 if args.quick else 24)
    Path(args.out).parent.mkdir(parents=True, exist_ok=True)
    with open(args.out, "w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(("kind", "what", "measure", "value"))
        writer.writerows((*row[:3], f"{row[3]:.4g}") for row in rows)
    for measure in dict.fromkeys(row[2] for row in rows if row[0] == "pair"):
        values = [row[3] for row in rows if row[0] == "pair" and row[2] == measure]
        print(f"{measure:24} median {np.median(values):8.3f}  worst {max(values):8.3f}  best {min(values):8.3f}")
    for row in rows:
        if row[0] != "pair":
            print(f"{row[1]:28} {row[2]:24} {row[3]:8.3f}")
    print(f"rows are in {args.out}")


if __name__ == "__main__":
    main()

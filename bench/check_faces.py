"""How many samples of a checkpoint hold exactly one face, according to MediaPipe Face Mesh alone.

    python bench/check_faces.py --checkpoint checkpoints/faces --seeds 500

Face Mesh accepts most things with eyes: a floor, not a goal. Writes one JSON row per psi to bench/results/faces.jsonl.
"""

import argparse
import json
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT))

SIDE = 256  # samples are shown to Face Mesh at this size (Lanczos)


def count_faces(picture, mesh) -> int:
    """Faces that Face Mesh sees in a uint8 [H, W, 3] RGB picture."""
    import numpy as np
    from PIL import Image

    large = np.asarray(Image.fromarray(picture).resize((SIDE, SIDE), Image.Resampling.LANCZOS))
    return len(mesh.process(large).multi_face_landmarks or [])


def check(checkpoint: str, n_seeds: int, psi: float) -> dict:
    """One row: the shares of seeds 0 to n_seeds - 1 with no, one and more faces, and seconds per sample."""
    from mediapipe.python.solutions.face_mesh import FaceMesh

    from sgan import draw_images, load_generator, seeds_to_ws

    G = load_generator(checkpoint)
    counts, spent = [], 0.0
    with FaceMesh(static_image_mode=True, max_num_faces=3, refine_landmarks=False) as mesh:
        for seed in range(n_seeds):
            start = time.perf_counter()
            (picture,) = draw_images(G, seeds_to_ws(G, [seed], psi), step=G.trained_step)
            spent += time.perf_counter() - start
            counts.append(count_faces(picture, mesh))
    share = {name: sum(test(c) for c in counts) / n_seeds for name, test in TESTS.items()}
    missed = [seed for seed, c in enumerate(counts) if c != 1][:20]
    return {"checkpoint": G.checkpoint_hash, "psi": psi, "seeds": n_seeds, **share, "not_one": missed,
            "sec_per_sample": round(spent / n_seeds, 4)}  # fmt: skip


TESTS = {"none": lambda c: c == 0, "one": lambda c: c == 1, "more": lambda c: c > 1}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--checkpoint", default=str(ROOT / "checkpoints" / "faces"))
    parser.add_argument("--seeds", type=int, default=500)
    parser.add_argument("--psi", type=float, nargs="+", default=[0.7, 1.0])
    options = parser.parse_args()
    results = ROOT / "bench" / "results"
    results.mkdir(parents=True, exist_ok=True)
    for psi in options.psi:
        row = check(options.checkpoint, options.seeds, psi)
        print(json.dumps(row))
        with open(results / "faces.jsonl", "a", encoding="utf-8") as file:
            file.write(json.dumps(row) + "\n")


if __name__ == "__main__":
    main()

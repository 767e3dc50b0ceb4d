"""Command line: puts a face onto a photo.

python faceswap/main.py --src FACE --dst BODY --out results/output.jpg --correct_color [--warp_2d]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from pathlib import Path

if not __package__:  # run as a file: the project's folder, not this one, is where imports start
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

import cv2
import numpy as np

from faceswap.detection import shrink
from faceswap.images import Picture, check_output, file_sha256, read_image, read_picture, with_pixels, write_picture
from faceswap.landmarks import silent_libraries
from faceswap.sheet import before_after
from faceswap.swap import Options, Swapper
from provenance import read_mark

WINDOW = 1000  # the preview's longer side, pixels


def build_parser(prog: str = "main.py") -> argparse.ArgumentParser:
    """Returns the parser of this command."""
    parser = argparse.ArgumentParser(prog=prog, description="Put a face onto a photo.")
    parser.add_argument("--src", required=True, metavar="FACE", help="picture of the face to put in")
    parser.add_argument("--dst", required=True, metavar="BODY", help="photo to put it into")
    parser.add_argument("--out", required=True, metavar="FILE", help="where to write the result; its folder is made")
    parser.add_argument(
        "--before_after", metavar="FILE", help="also write photo and result side by side, with the face in a corner"
    )
    add_option_flags(parser)
    parser.add_argument("--no_debug_window", action="store_true", help="do not show the result in a window")
    return parser


def add_option_flags(parser: argparse.ArgumentParser) -> None:
    """Adds the flags that become `Options`."""
    parser.add_argument("--correct_color", action="store_true", help="give the face the photo's light and skin tone")
    parser.add_argument(
        "--warp_2d",
        action="store_true",
        help="only turn, scale and shift the face, without bending it to the expression",
    )


def options_from(args: argparse.Namespace) -> Options:
    """Returns the swap's options from parsed flags."""
    return Options(correct_color=args.correct_color, warp_2d=args.warp_2d)


def swap_files(args: argparse.Namespace) -> str:
    """Does what the command says and returns its closing line.

    Raises:
        OSError, ValueError: one sentence naming the file and what is wrong with it.
    """
    options = options_from(args)
    outputs = [Path(path) for path in (args.out, args.before_after) if path]
    for path in outputs:
        check_output(path, (args.src, args.dst))
    target = read_picture(args.dst)
    swapper = Swapper(args.src, options)
    faces = swapper.find(target.rgb)
    if not faces:
        raise ValueError(f"{args.dst}: no face found in the photo to put the face into")
    result = swapper.swap(target.rgb, faces)
    settings = describe(args.src, args.dst, options, len(faces))
    write_picture(args.out, with_pixels(target, result), settings)
    if args.before_after:
        sheet = before_after(target.rgb, result, read_image(args.src))
        write_picture(args.before_after, Picture(sheet), settings)
    if not args.no_debug_window:
        show(result, args.out)
    count = f"{len(faces)} face{'s' if len(faces) > 1 else ''} swapped"
    return f"{count}, written to {' and '.join(str(path) for path in outputs)}"


def describe(src: str, dst: str, options: Options, faces: int) -> dict:
    """Returns what the result's metadata say: files by name and hash, options, and the source's own mark."""
    settings = {
        "src": Path(src).name,
        "src_sha256": file_sha256(src),
        "dst": Path(dst).name,
        "dst_sha256": file_sha256(dst),
        "faces": faces,
        **options.as_dict(),
    }
    mark = read_mark(src)
    if mark is not None:
        settings["source"] = mark.settings
    return settings


def show(image: np.ndarray, title: str) -> None:
    """Shows a picture until a key is pressed or the window is closed; one line where windows cannot be opened."""
    if not can_show():
        print("no window is opened: there is no display")
        return
    small, _ = shrink(image, WINDOW)
    cv2.imshow(title, small[:, :, ::-1])
    while cv2.waitKey(50) < 0 and cv2.getWindowProperty(title, cv2.WND_PROP_VISIBLE) >= 1:
        pass
    cv2.destroyAllWindows()


def can_show() -> bool:
    """Returns whether a window can be opened, tried out in a process of its own: a toolkit without display aborts."""
    if sys.platform.startswith("linux") and not (os.environ.get("DISPLAY") or os.environ.get("WAYLAND_DISPLAY")):
        return False
    trial = "import cv2; cv2.namedWindow('trial'); cv2.destroyAllWindows()"
    try:
        return subprocess.run([sys.executable, "-c", trial], capture_output=True, timeout=20).returncode == 0
    except (OSError, subprocess.TimeoutExpired):
        return False


def run(work, args: argparse.Namespace) -> int:
    """Returns the exit code of `work(args)`; prints its closing line, or one sentence about what went wrong."""
    with silent_libraries():
        try:
            print(work(args))
        except (OSError, ValueError, RuntimeError, MemoryError) as error:
            print(f"error: {one_sentence(error)}", file=sys.stderr)
            return 1
        except KeyboardInterrupt:
            print("error: interrupted; nothing was written", file=sys.stderr)
            return 130
    return 0


def one_sentence(error: BaseException) -> str:
    """Returns an exception's message on one line."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def main(argv: list[str] | None = None, prog: str = "main.py") -> int:
    """Returns the exit code of the command."""
    return run(swap_files, build_parser(prog).parse_args(argv))


if __name__ == "__main__":
    sys.exit(main())

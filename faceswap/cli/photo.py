"""Command line: puts a face onto a photo.

python faceswap/main.py --src FACE --dst BODY --out results/output.jpg --correct_color [--warp_2d]
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields
from pathlib import Path

import cv2
import numpy as np

from faceswap.find.detection import shrink
from faceswap.find.landmarks import LANDMARKERS, make_landmarker, silent_libraries
from faceswap.jobs.sheet import before_after, gallery
from faceswap.media.images import (
    Picture,
    check_output,
    read_image,
    read_picture,
    with_pixels,
    write_picture,
    write_plain,
)
from faceswap.swap import Options, Swapper, choose_faces, describe

WINDOW = 1000  # the preview's longer side, pixels


def build_parser(prog: str = "main.py") -> argparse.ArgumentParser:
    """Returns the parser of this command."""
    parser = argparse.ArgumentParser(prog=prog, description="Put a face onto a photo.")
    parser.add_argument("--src", metavar="FACE", help="picture of the face to put in")
    parser.add_argument("--dst", required=True, metavar="BODY", help="photo to put it into")
    parser.add_argument("--out", metavar="FILE", help="where to write the result; its folder is made")
    parser.add_argument(
        "--before_after", metavar="FILE", help="also write photo and result side by side, with the face in a corner"
    )
    parser.add_argument(
        "--face", type=face_name, default="all", help="which faces of the photo: all, largest, or a number from 0"
    )
    parser.add_argument(
        "--src_face", type=one_face_name, default="largest", help="which face of --src: largest, or a number from 0"
    )
    parser.add_argument(
        "--list_faces", metavar="FILE", help="write the photo's faces with their numbers; may stand alone"
    )
    parser.add_argument("--landmarks", choices=LANDMARKERS, default="mesh", help="what finds the faces' points")
    add_option_flags(parser)
    parser.add_argument("--no_debug_window", action="store_true", help="do not show the result in a window")
    return parser


def face_name(text: str) -> int | str:
    """Returns "all", "largest" or a number from what was typed."""
    if text in ("all", "largest"):
        return text
    if text.isdecimal():
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is neither all nor largest nor a number from 0")


def one_face_name(text: str) -> int | str:
    """Returns "largest" or a number from what was typed, for the face that is put in."""
    if text == "all":
        raise argparse.ArgumentTypeError("one face is put in, so all is no answer")
    return face_name(text)


def add_option_flags(parser: argparse.ArgumentParser) -> None:
    """Adds one flag for each field of `Options`; flags without a value are off unless given."""
    for item in fields(Options):
        text, allowed = item.metadata["help"], item.metadata["allowed"]
        if isinstance(item.default, bool):
            parser.add_argument(f"--{item.name}", action="store_true", help=text)
        elif isinstance(item.default, str):
            text = f"{text} (default: %(default)s)"
            parser.add_argument(f"--{item.name}", choices=allowed, default=item.default, help=text)
        else:
            text = f"{text}, {allowed[0]:g} to {allowed[1]:g} (default: %(default)s)"
            parser.add_argument(
                f"--{item.name}", type=number_between(*allowed), default=item.default, metavar="SHARE", help=text
            )


def number_between(low: float, high: float) -> Callable[[str], float]:
    """Returns a parser of numbers in that range."""

    def number(text: str) -> float:
        try:
            value = float(text)
        except ValueError:
            raise argparse.ArgumentTypeError(f"{text!r} is not a number") from None
        if not low <= value <= high:
            raise argparse.ArgumentTypeError(f"{text} does not lie between {low:g} and {high:g}")
        return value

    return number


def options_from(args: argparse.Namespace) -> Options:
    """Returns the swap's options from parsed flags."""
    return Options(**{item.name: getattr(args, item.name) for item in fields(Options)})


def notice(text: str) -> None:
    """Prints a line about something that takes a while."""
    print(text, file=sys.stderr, flush=True)


def swap_files(args: argparse.Namespace) -> str:
    """Does what the command says and returns its closing line.

    Raises:
        OSError, ValueError: one sentence naming the file and what is wrong with it.
    """
    outputs = [path for path in (args.out, args.before_after, args.list_faces) if path]
    if len({Path(path).resolve() for path in outputs}) < len(outputs):
        raise ValueError("two outputs have the same name; give each its own")
    for path in outputs:
        check_output(path, tuple(name for name in (args.src, args.dst) if name))
    landmarker = make_landmarker(args.landmarks, notice=notice)
    target = read_picture(args.dst)
    options = options_from(args)
    swapper = Swapper(args.src, options, landmarker, face=args.src_face) if args.src else None
    found = landmarker.find(target.rgb)
    faces = choose_faces(found, args.face, args.dst)
    if args.list_faces:
        write_plain(args.list_faces, gallery(target.rgb, found))
    if swapper is None:
        return f"{plural(len(found), 'face')} found, shown in {args.list_faces}"
    result = swapper.swap(target.rgb, faces)
    settings = describe(args.src, args.dst, options, len(faces), args.face, args.src_face, args.landmarks)
    write_picture(args.out, with_pixels(target, result), settings)
    if args.before_after:
        sheet = before_after(target.rgb, result, read_image(args.src))
        write_picture(args.before_after, Picture(sheet), settings)
    if not args.no_debug_window:
        show(result, args.out)
    return f"{plural(len(faces), 'face')} swapped, written to {' and '.join(outputs)}"


def plural(count: int, noun: str) -> str:
    """Returns "1 face", "2 faces"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


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
            print("error: interrupted", file=sys.stderr)
            return 130
    return 0


def one_sentence(error: BaseException) -> str:
    """Returns an exception's message on one line."""
    if isinstance(error, OSError) and error.filename and error.strerror:
        return f"{error.filename}: {error.strerror}"
    return " ".join(str(error).split()) or type(error).__name__


def main(argv: list[str] | None = None, prog: str = "main.py") -> int:
    """Returns the exit code of the command."""
    parser = build_parser(prog)
    args = parser.parse_args(argv)
    missing = [flag for flag, value in (("--src", args.src), ("--out", args.out)) if not value]
    if missing and (len(missing) == 1 or not args.list_faces):
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    return run(swap_files, args)

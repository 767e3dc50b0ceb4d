"""Command line: puts a face onto a photo.

python faceswap/main.py --src FACE --dst BODY --out results/output.jpg --correct_color [--warp_2d]
"""

from __future__ import annotations

import argparse
from pathlib import Path

from faceswap.cli.common import add_swap_flags, notice, options_from, plural, run
from faceswap.find.landmarkers import make_landmarker


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
        "--list_faces", metavar="FILE", help="write the photo's faces with their numbers; may stand alone"
    )
    add_swap_flags(parser, "--src")
    parser.add_argument("--no_debug_window", action="store_true", help="do not show the result in a window")
    return parser


def swap_files(args: argparse.Namespace) -> str:
    """Does what the command says and returns its closing line.

    Raises:
        OSError, ValueError: one sentence naming the file and what is wrong with it.
    """
    from faceswap.cli.window import Window
    from faceswap.jobs.sheet import before_after, gallery
    from faceswap.media import images
    from faceswap.swap import Swapper, choose_faces, describe

    outputs = [path for path in (args.out, args.before_after, args.list_faces) if path]
    if len({Path(path).resolve() for path in outputs}) < len(outputs):
        raise ValueError("two outputs have the same name; give each its own")
    for path in outputs:
        images.check_output(path, tuple(name for name in (args.src, args.dst) if name))
    landmarker = make_landmarker(args.landmarks, notice)
    target = images.read_picture(args.dst)
    options = options_from(args)
    swapper = Swapper(args.src, options, landmarker, face=args.src_face) if args.src else None
    found = landmarker.find(target.rgb)
    faces = choose_faces(found, args.face, args.dst)
    if args.list_faces:
        images.write_plain(args.list_faces, gallery(target.rgb, found))
    if swapper is None:
        return f"{plural(len(found), 'face')} found, shown in {args.list_faces}"
    result = swapper.swap(target.rgb, faces)
    settings = describe(args.src, args.dst, options, len(faces), args.face, args.src_face, args.landmarks)
    images.write_picture(args.out, images.with_pixels(target, result), settings)
    if args.before_after:
        sheet = before_after(target.rgb, result, images.read_image(args.src))
        images.write_picture(args.before_after, images.Picture(sheet), settings)
    if not args.no_debug_window:
        Window(True, args.out).show_until_closed(result)
    return f"{plural(len(faces), 'face')} swapped, written to {' and '.join(outputs)}"


def main(argv: list[str] | None = None, prog: str = "main.py") -> int:
    """Returns the exit code of the command."""
    parser = build_parser(prog)
    args = parser.parse_args(argv)
    missing = [flag for flag, value in (("--src", args.src), ("--out", args.out)) if not value]
    if missing and (len(missing) == 1 or not args.list_faces):
        parser.error(f"the following arguments are required: {', '.join(missing)}")
    return run(swap_files, args)

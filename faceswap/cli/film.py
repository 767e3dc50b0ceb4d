"""Command line: puts a face onto a video file, or onto the webcam's picture when no file is named.

python faceswap/main_video.py --src_img FACE [--video_path input.avi] [--show] --correct_color --save_path output.avi
"""

from __future__ import annotations

import argparse
import itertools

from faceswap.cli.common import add_swap_flags, asked_to_stop, notice, options_from, plural, run
from faceswap.find.landmarkers import make_landmarker
from faceswap.media.formats import FORMATS


def build_parser() -> argparse.ArgumentParser:
    """Returns the parser of this command."""
    endings = "; ".join(f"{ending} {kind.help}" for ending, kind in FORMATS.items())
    codecs = ", ".join(f"{kind.codec} for {ending}" for ending, kind in FORMATS.items())
    parser = argparse.ArgumentParser(
        prog="main_video.py", description="Put a face onto a video or the webcam's picture."
    )
    parser.add_argument("--src_img", required=True, metavar="FACE", help="picture of the face to put in")
    parser.add_argument("--video_path", metavar="FILE", help="video to put it into; without it, the webcam")
    parser.add_argument("--save_path", metavar="FILE", help=f"where to write the result; {endings}")
    parser.add_argument("--show", action="store_true", help="show the result in a window while it is made")
    parser.add_argument("--codec", metavar="NAME", help=f"video encoder (default: {codecs})")
    parser.add_argument("--crf", type=int, choices=range(0, 64), metavar="0-63", help="quality, smaller is better")
    parser.add_argument("--camera", type=int, metavar="N", help="which webcam (default: 0)")
    parser.add_argument("--virtual_camera", action="store_true", help="offer the result as a camera to other programs")
    add_swap_flags(parser, "--src_img")
    return parser


def check_result(args: argparse.Namespace) -> None:
    """OSError or ValueError, one sentence, where the result cannot be written as it is wanted."""
    from faceswap.media.encoder import codec_of
    from faceswap.media.images import check_output

    if args.save_path:
        check_output(args.save_path, tuple(path for path in (args.src_img, args.video_path) if path), tuple(FORMATS))
    if args.codec:
        codec_of(args.codec)


def prepare(args: argparse.Namespace) -> tuple:
    """Returns the swapper, the tracker of the chosen faces, and what the metadata say. Errors as of `Swapper`."""
    from faceswap.find.tracking import FaceChoice, Tracker
    from faceswap.swap import Swapper, describe

    options, landmarker = options_from(args), make_landmarker(args.landmarks, notice)
    swapper = Swapper(args.src_img, options, landmarker, face=args.src_face)
    settings = describe(args.src_img, args.video_path, options, 0, args.face, args.src_face, args.landmarks)
    return swapper, FaceChoice(Tracker(landmarker), args.face), settings


def swap_file(args: argparse.Namespace) -> str:
    """Swaps a video file with a progress bar and returns the closing line.

    Raises:
        OSError, ValueError: one sentence.
    """
    from bars import progress_bar
    from faceswap.cli.window import Window
    from faceswap.jobs.film import swap_video
    from faceswap.media.video import open_video

    check_result(args)
    open_video(args.video_path).close()
    swapper, tracker, settings = prepare(args)
    window = Window(args.show)

    def swap(image, tracks):
        return swapper.swap(image, [track.points for track in tracks], moving=True)

    files = (args.video_path, args.save_path)
    done = swap_video(*files, tracker, swap, settings, args.codec, args.crf, show=window.show)
    first, stopped = next(done), False  # a file that holds no frames ends here, without a progress bar
    with asked_to_stop() as stop, progress_bar(unit="frame") as bar:
        for last in itertools.chain([first], done):
            bar.total = last.total or None
            bar.update()
            if stop or window.closed:
                stopped = True
                done.close()
                break
    return closing_line(last, args.save_path, stopped)


def closing_line(last, path: str, stopped: bool) -> str:
    """Returns what was done, in one line."""
    without = last.frames - last.swapped
    line = f"{plural(last.swapped, 'frame')} swapped, {without} without a face passed through"
    if last.damaged:
        line += f", {last.damaged} damaged left out"
    return f"{'stopped early: ' if stopped else ''}{line}, written to {path}"


def swap_camera(args: argparse.Namespace) -> str:
    """Swaps the webcam's picture until it is stopped and returns the closing line. Errors as of `swap_file`."""
    from faceswap.cli.camera import swap_live
    from faceswap.cli.window import Window, can_show

    check_result(args)
    swapper, tracker, settings = prepare(args)
    window = Window(wanted=can_show())
    if not (window.open or args.save_path or args.virtual_camera):
        raise ValueError("nothing would be seen of the webcam's picture: there is no display; give --save_path")
    count = swap_live(args, swapper, tracker, settings, window)
    return f"{plural(count, 'frame')} swapped" + (f", written to {args.save_path}" if args.save_path and count else "")


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code of the command."""
    parser = build_parser()
    args = parser.parse_args(argv)
    if args.video_path and args.camera is not None:
        parser.error("argument --camera: not allowed with --video_path; a video is read, or a camera")
    if args.video_path and args.virtual_camera:
        parser.error("argument --virtual_camera: not allowed with --video_path; only a webcam's picture can be offered")
    if args.video_path and not args.save_path:
        parser.error("the following arguments are required: --save_path")
    return run(swap_file if args.video_path else swap_camera, args)

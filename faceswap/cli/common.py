"""What the commands share: flags, sentences and exit codes. Light to import, as all parsers are."""

from __future__ import annotations

import argparse
import contextlib
import signal
import sys
from collections.abc import Callable, Iterator
from dataclasses import fields

from bars import allow_any_text, one_sentence
from faceswap.find.landmarkers import LANDMARKERS
from faceswap.options import Options


def add_swap_flags(parser: argparse.ArgumentParser, src: str) -> None:
    """Adds what all commands that put in a face know; `src` is the flag of that face."""
    parser.add_argument("--face", type=face_name, default="all", help="which faces: all, largest, or a number from 0")
    parser.add_argument(
        "--src_face", type=one_face_name, default="largest", help=f"which face of {src}: largest, or a number from 0"
    )
    add_landmarks_flag(parser)
    add_option_flags(parser)


def add_landmarks_flag(parser: argparse.ArgumentParser) -> None:
    """Adds the flag that chooses a landmarker."""
    kinds = "; ".join(f"{name}: {kind.help}" for name, kind in LANDMARKERS.items())
    parser.add_argument(
        "--landmarks", choices=LANDMARKERS, default="mesh", help=f"what finds the faces' points; {kinds}"
    )


def add_option_flags(parser: argparse.ArgumentParser) -> None:
    """Adds one flag for each field of `Options`; flags without a value are off unless given."""
    for item in fields(Options):
        name, text, allowed = f"--{item.name}", item.metadata["help"], item.metadata["allowed"]
        usual = {"default": item.default, "help": f"{text} (default: %(default)s)"}
        if isinstance(item.default, bool):
            parser.add_argument(name, action="store_true", help=text)
        elif isinstance(item.default, str):
            parser.add_argument(name, choices=allowed, **usual)
        else:
            usual["help"] = f"{text}, {allowed[0]:g} to {allowed[1]:g} (default: %(default)s)"
            parser.add_argument(name, type=number_between(*allowed), metavar="SHARE", **usual)


def options_from(args: argparse.Namespace) -> Options:
    """Returns the swap's options from parsed flags."""
    return Options(**{item.name: getattr(args, item.name) for item in fields(Options)})


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


def whole_number(text: str) -> int:
    """Returns a number from 1 from what was typed."""
    if text.isdecimal() and int(text) > 0:
        return int(text)
    raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1")


def notice(text: str) -> None:
    """Prints a line about something that takes a while."""
    print(text, file=sys.stderr, flush=True)


def plural(count: int, noun: str) -> str:
    """Returns "1 face", "2 faces"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"


def run(work: Callable[[argparse.Namespace], str], args: argparse.Namespace) -> int:
    """Returns the exit code of `work(args)`; prints its closing line, or one sentence about what went wrong."""
    from graphs.silence import silent_libraries

    allow_any_text()
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


@contextlib.contextmanager
def asked_to_stop() -> Iterator[list]:
    """Gives a list that is no longer empty once Ctrl-C was pressed; pressed again, it interrupts as usual."""
    asked: list = []

    def ask(number, frame):
        if asked:
            raise KeyboardInterrupt
        asked.append(number)

    before = signal.signal(signal.SIGINT, ask)
    try:
        yield asked
    finally:
        signal.signal(signal.SIGINT, before)

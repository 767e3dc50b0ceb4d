"""`python -m faceswap swap | batch | align ...`: the commands for photos and folders."""

from __future__ import annotations

import sys

from faceswap.cli import align, batch, photo

COMMANDS = {"swap": photo.main, "batch": batch.main, "align": align.main}
USAGE = f"usage: python -m faceswap {{{','.join(COMMANDS)}}} ..."


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code of the subcommand named first; flags without a name mean `swap`."""
    argv = sys.argv[1:] if argv is None else argv
    if argv and argv[0] in ("-h", "--help"):
        print(f"{USAGE}  (--help after a name says more)")
        return 0
    if argv and argv[0] not in COMMANDS and not argv[0].startswith("-"):
        print(f"{USAGE}\nerror: there is no command {argv[0]!r}", file=sys.stderr)
        return 2
    name, rest = (argv[0], argv[1:]) if argv and argv[0] in COMMANDS else ("swap", argv)
    return COMMANDS[name](rest, f"python -m faceswap {name}")

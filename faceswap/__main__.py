"""`python -m faceswap swap ...`: the same commands as a module."""

from __future__ import annotations

import sys

COMMANDS = ("swap",)


def main(argv: list[str] | None = None) -> int:
    """Returns the exit code of the subcommand named first; without a name, that of `swap`."""
    argv = sys.argv[1:] if argv is None else argv
    name = argv[0] if argv and argv[0] in COMMANDS else "swap"
    rest = argv[1:] if argv and argv[0] in COMMANDS else argv
    from faceswap.main import main as swap

    return swap(rest, prog=f"python -m faceswap {name}")


if __name__ == "__main__":
    sys.exit(main())

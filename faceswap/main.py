"""The command for one photo: `python faceswap/main.py --help`."""

import sys
from pathlib import Path

if not __package__:  # run as a file: the project's folder, not this one, is where imports start
    sys.path[0] = str(Path(__file__).resolve().parent.parent)

from faceswap.cli.photo import main

if __name__ == "__main__":
    sys.exit(main())

"""`python -m faceswap swap | batch | align ...`: the commands for photos and folders."""

import sys

from faceswap.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

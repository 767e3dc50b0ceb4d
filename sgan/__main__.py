"""`python -m sgan`: train, sample, show."""

import sys

from sgan.cli.main import main

if __name__ == "__main__":
    sys.exit(main())

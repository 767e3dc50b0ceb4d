"""`python -m sgan`: train, sample, show."""

import sys

from sgan.main import main

if __name__ == "__main__":
    sys.exit(main())

"""The commands of `python -m sgan`, one file each; alone in this package they know argparse.

Imports anything of sgan but the panel.
"""

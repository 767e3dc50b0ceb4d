"""The commands for photos, folders, films and the webcam; alone in this package they know argparse.

Imports anything of faceswap but the panel.
"""

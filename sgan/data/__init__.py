"""From a folder or a zip of pictures to batches: found, decoded once, drawn in a known order, looked through.

Imports config and viz.
"""

"""A whole run around the loop: its settings resolved, its folder kept, its processes started and told of signals.

Imports everything below the ways in: training, judging, faces, data.
"""

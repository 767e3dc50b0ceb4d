"""How good a checkpoint is: measures of two sets of pictures, and all of them on one checkpoint.

Imports config, viz, data, networks, faces, training and, of the leaves, graphs.
"""

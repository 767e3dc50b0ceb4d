"""How good a checkpoint is: measures of two sets of pictures, and all of them on one checkpoint.

Imports data, faces, training and what lies below.
"""

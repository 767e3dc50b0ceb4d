"""Form: which points are what, plane and space geometry, the face's rectangle, the warp.

Imports nothing of ours.
"""

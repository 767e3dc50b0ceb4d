"""Where faces are and where their points lie, in one picture and from frame to frame.

Imports shape, media and, of the leaves, graphs.
"""

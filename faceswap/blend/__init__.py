"""Where the new face is shown, and how it is joined to the photo.

Imports shape and tone.
"""

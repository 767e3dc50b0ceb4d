"""Light, skin and grain: what makes one face look as if it had been photographed with the other.

Imports shape.
"""

"""Marks pictures the project makes as synthetic, and reads the mark back.

A mark is an XMP packet: the IPTC digital source type that other programs understand, and the settings with which the
picture can be made again. A leaf: it needs Pillow and nothing of the other packages.
"""

from provenance.files import FORMATS, read_mark, whole_file, write_bytes, write_image
from provenance.gif import copy_marked
from provenance.leftovers import remove_leftovers, temporary_beside
from provenance.mark import COMPOSITE, GENERATED, VERSION, Mark
from provenance.xmp import from_xmp, to_xmp

__all__ = [
    "COMPOSITE",
    "FORMATS",
    "GENERATED",
    "VERSION",
    "Mark",
    "copy_marked",
    "from_xmp",
    "read_mark",
    "remove_leftovers",
    "temporary_beside",
    "to_xmp",
    "whole_file",
    "write_bytes",
    "write_image",
]

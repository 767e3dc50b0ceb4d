"""Weight files in and out, ours and other programs': read as data, nothing in them is executed.

Imports config, networks and, of the leaves, provenance.
"""

"""From a seed or a wish to a picture: sampling, mixing, editing, walks, personas.

Imports config, viz, networks, weights and, of the leaves, provenance.
"""

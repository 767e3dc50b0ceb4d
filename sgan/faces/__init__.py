"""From a seed or a wish to a picture: sampling, mixing, editing, walks, personas.

Imports networks, weights and viz.
"""

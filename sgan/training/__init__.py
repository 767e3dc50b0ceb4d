"""How a network learns: one step, the loop of steps, losses, augmentation, the state and what keeps it from ruin.

Imports config, events, viz, networks, weights and, of the leaves, provenance.
"""

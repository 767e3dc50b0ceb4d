"""The training of the detail network: settings, state, and the loop of events.

Imports config, events, viz, networks, weights and what training shares.
"""

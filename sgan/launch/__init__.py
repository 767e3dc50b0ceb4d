"""A whole run around the loop: its settings resolved, its folder kept, its processes started and told of signals.

Imports anything of sgan but the ways in, cli and panel.
"""

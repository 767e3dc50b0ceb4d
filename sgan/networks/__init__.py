"""What is learned: layers, generators and discriminators of both generations.

Imports config and, of the leaves, graphs.
"""

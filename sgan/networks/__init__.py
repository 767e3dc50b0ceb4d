"""What is learned: layers, generators and discriminators of both generations.

Imports config, viz and, of the leaves, graphs.
"""

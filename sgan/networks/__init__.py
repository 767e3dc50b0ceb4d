"""What is learned: layers, generators and discriminators of both generations.

Imports only `sgan.config`.
"""

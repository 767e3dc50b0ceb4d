"""Pickles, and PyTorch's files of them, read as data by an interpreter that knows a few names and executes nothing.

Imports nothing of ours.
"""

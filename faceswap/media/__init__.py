"""Pictures and films in and out of files, and the threads that keep them flowing.

Imports nothing of ours but provenance.
"""

"""Pictures and films in and out of files, and the threads that keep them flowing.

Imports only the leaf provenance.
"""

"""What the notebook panels of both wings share: pictures, messages, parts, and pages with work on the main thread.

A leaf: it knows nothing of faces or networks, and imports of ours only bars.
"""

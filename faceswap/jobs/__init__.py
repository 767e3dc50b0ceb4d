"""A face onto many things: folders, films; and aligning, matching, sheets.

Imports anything of faceswap but the ways in, cli and panel.
"""

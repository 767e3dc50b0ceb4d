"""A face onto many things: folders, films; and aligning, matching, sheets.

Imports swap and what lies below.
"""

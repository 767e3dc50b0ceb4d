"""The small network files that the project ships, and what opens, runs and reads them. A leaf below both packages."""

from graphs.runners import Graph, open_graph

__all__ = ["Graph", "open_graph"]

"""Files of the networks beside the generator: the detail network, and EfficientNet to judge pictures with.

Imports networks and the files of weights.
"""

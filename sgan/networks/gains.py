"""Numbers that the networks are built with, the same for every way to compute them."""

import math

LRELU_SLOPE = 0.2
LRELU_GAIN = math.sqrt(2.0)  # restores the variance that a leaky ReLU takes away (arXiv 1710.10196, section 4.1)
SKIP_GAIN = math.sqrt(0.5)  # keeps the variance of a residual sum (arXiv 1912.04958, section 3)
DEMODULATION_EPS = 1e-8  # arXiv 1912.04958, equation 3
NORM_EPS = 1e-8  # of pixel norm, arXiv 1710.10196, section 4.2
INSTANCE_EPS = 1e-5
MAPPING_LR_MULT = 0.01  # arXiv 1812.04948, appendix C

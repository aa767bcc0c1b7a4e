"""The nearest code to each latent, exactly, without a table of all distances.

The size (and the processor) decides which way is taken, and every way finds the same codes: one
float64 block where the problem is small, a k-d tree in two and three dimensions (small.py), else
blocks of matrix products (blocks.py) whose errors are bounded (filters.py, half.py), so that the
few codes that might be nearest are known and compared by their differences (pairs.py).
"""

from .operator import nearest

__all__ = ["nearest"]

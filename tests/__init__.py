"""Tests; helpers of a folder are imported as `tests.<folder>.<module>`."""

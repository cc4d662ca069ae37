"""Distances and counts by which sets of features are compared; pure NumPy."""

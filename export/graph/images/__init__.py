"""Rewrites of graphs that compute images."""

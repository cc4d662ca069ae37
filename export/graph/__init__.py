"""The converter, and every rewrite of a graph."""

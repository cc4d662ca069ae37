"""Architectures of open checkpoints: what their keys mean, and where their weights belong."""

"""Checkpoints of Transformers in the formats that other programs open."""

"""Checkpoints of other programs: what is in them, and models of ours made of them."""

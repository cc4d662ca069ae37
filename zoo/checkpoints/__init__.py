"""Checkpoints of other programs: what they hold, in the words of Hugging Face, and how to open them."""

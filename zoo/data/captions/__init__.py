"""Captions: their words, and the file that holds these."""

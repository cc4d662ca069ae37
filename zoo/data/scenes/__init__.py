"""Scenes of handwritten digits in colour and of emoji, with captions, made up when asked for."""

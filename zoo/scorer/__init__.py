"""Scorers: how well a picture goes with a caption, by which the best of several is chosen."""

"""Scenes: a few things of one or two kinds, and captions that say which, in words of a grammar."""

"""Emoji with their names as captions."""

"""Kinds of content: one file a kind."""

"""Texts with gaps: what fills them, and how likely and how alike whole texts are."""

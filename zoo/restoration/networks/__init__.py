"""The networks: each maps images `(B, H, W, C)` to what is added to their bicubic enlargement.

This is given in phases, `(B, H, W, s * s * C)`: the s x s new pixels in the place of an old one.
"""

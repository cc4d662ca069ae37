"""Photographs of any size: read and written with all that belongs to them, and made larger."""

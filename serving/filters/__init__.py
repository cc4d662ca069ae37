"""Filters: what models may not be given, and may not give; off unless they are named."""

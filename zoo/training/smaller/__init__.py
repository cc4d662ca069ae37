"""Smaller models: taught by a larger one, or made of its most important parts."""

"""Low-rank adapters: trained beside weights that stay as they are, merged or kept apart."""

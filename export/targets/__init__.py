"""Bundles as other servers take them: Triton, KServe."""

"""Benchmarks: run them on a machine that does nothing else. Tests never time anything."""

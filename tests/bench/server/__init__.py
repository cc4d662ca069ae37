"""Models over HTTP, beside the same models in Python: `python -m tests.bench.server`."""

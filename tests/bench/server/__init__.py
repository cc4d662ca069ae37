"""How fast models are over HTTP, beside the same in Python: `python -m tests.bench.server`."""

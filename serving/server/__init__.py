"""The inference server: models over HTTP, by the protocols that existing clients speak."""

"""Images of a class that a judge knows, drawn by models that were never told of it."""

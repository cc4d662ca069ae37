"""What models cost: speed, memory, loading time."""

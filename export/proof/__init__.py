"""What a graph promises, and the proof that an export keeps it."""

"""Templates of somebody else's, run so that they can only write, and only so much."""

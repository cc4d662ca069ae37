"""What makes photographs better, at run time."""

"""What a graph says, read without running it, and what it may say."""

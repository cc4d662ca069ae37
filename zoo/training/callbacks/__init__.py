"""What is done after each step and each epoch of a run."""

"""The commands that need no TensorFlow."""

"""Text from a language model: sampling, decoding, scoring. Needs no TensorFlow."""

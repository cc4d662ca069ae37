"""How a masked language model leaves Keras."""

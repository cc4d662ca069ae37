"""How a translator leaves Keras."""

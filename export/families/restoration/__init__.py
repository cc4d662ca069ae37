"""How a network that enlarges photographs leaves Keras."""

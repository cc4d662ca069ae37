"""How a network that paints photographs in any style leaves Keras."""

"""How a flow leaves Keras."""

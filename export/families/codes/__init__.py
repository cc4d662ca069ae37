"""How codes and their priors leave Keras."""

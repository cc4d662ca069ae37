"""How models of video leave Keras."""

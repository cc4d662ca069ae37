"""How models leave Keras: one family a file."""

"""What an encoder-decoder has beside the layers of a Transformer."""

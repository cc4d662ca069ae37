"""How a Transformer knows where its tokens are."""

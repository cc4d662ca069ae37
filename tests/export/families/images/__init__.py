"""Images: GANs, VAEs, and what steers them."""

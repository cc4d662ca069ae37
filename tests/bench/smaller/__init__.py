"""What making a Transformer smaller costs and brings, and what zeros among its weights do not."""

"""What data sets have in common that are made up as they are asked for, of handwritten digits."""

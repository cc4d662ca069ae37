"""The networks of a GAN: of each kind a generator, and a trunk that the discriminator judges by."""

"""Variational autoencoders."""

from zoo.vae.config import VAEConfig
from zoo.vae.vae import VAE

__all__ = ["VAE", "VAEConfig"]

"""Generative adversarial networks."""

from zoo.gan.config import GANConfig
from zoo.gan.gan import GAN

__all__ = ["GAN", "GANConfig"]

"""The DCGAN pair of `zoo.gan` as a PyTorch user would write it, to measure training beside."""

import math

import torch
from torch import nn
from torch.nn import functional

from zoo.gan.config import GANConfig
from zoo.gan.dcgan import SLOPE

EPSILON, MOMENTUM = 1e-3, 0.01  # of batch normalisation, as Keras has them


class TorchGenerator(nn.Module):
    """Maps latents `(B, D)` to images `(B, C, H, W)` on [-1, 1]."""

    def __init__(self, config: GANConfig):
        super().__init__()
        height, width, colours = config.image_shape
        scale, widths = 2 ** len(config.channels), config.channels[::-1]  # coarsest first
        self.smallest = (widths[0], height // scale, width // scale)
        self.expand = nn.Linear(config.latent_dim, math.prod(self.smallest), bias=False)
        self.normalize = nn.ModuleList(
            nn.BatchNorm2d(each, eps=EPSILON, momentum=MOMENTUM) for each in widths
        )
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=after == colours)
            for before, after in zip(widths, (*widths[1:], colours), strict=True)
        )

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        x = self.expand(z).view(-1, *self.smallest)
        for normalize, double in zip(self.normalize, self.doublings, strict=True):
            x = double(functional.relu(normalize(x)))
        return torch.tanh(x)


class TorchDiscriminator(nn.Module):
    """Maps images `(B, C, H, W)` to logits `(B,)`."""

    def __init__(self, config: GANConfig):
        super().__init__()
        height, width, colours = config.image_shape
        scale = 2 ** len(config.channels)
        self.halvings = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1)
            for before, after in zip((colours, *config.channels), config.channels, strict=False)
        )
        features = config.channels[-1] * (height // scale) * (width // scale)
        self.realness = nn.Linear(features, 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image
        for halve in self.halvings:
            x = functional.leaky_relu(halve(x), SLOPE)
        return self.realness(x.flatten(1))[:, 0]


def discriminator_loss(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    """Return the non-saturating loss (Goodfellow et al. 2014), a scalar."""
    real_logits, fake_logits = discriminator(torch.cat([real, fake])).chunk(2)
    return (functional.softplus(-real_logits) + functional.softplus(fake_logits)).mean()


def generator_loss(discriminator: nn.Module, fake: torch.Tensor) -> torch.Tensor:
    """Return the non-saturating loss, a scalar."""
    return functional.softplus(-discriminator(fake)).mean()

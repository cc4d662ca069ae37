"""The DCGAN pair of `zoo.gan` as a PyTorch user would write it, to measure beside.

Nothing of TensorFlow is loaded with it, so that memory and loading can be measured too.
"""

import math
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from tests.bench.weights import carry

if TYPE_CHECKING:
    from zoo.gan import GANConfig
    from zoo.gan.discriminator import Discriminator
    from zoo.gan.networks.dcgan import DCGANGenerator

SLOPE = 0.2  # of the leaky rectifier below zero
EPSILON, MOMENTUM = 1e-3, 0.01  # of batch normalisation, as Keras has them


class TorchGenerator(nn.Module):
    """Maps latents `(B, D)`, and labels `(B,)` if any, to images `(B, C, H, W)` on [-1, 1]."""

    def __init__(self, config: "GANConfig"):
        super().__init__()
        height, width, colours = config.image_shape
        scale, widths = 2 ** len(config.channels), config.channels[::-1]  # coarsest first
        self.smallest = (widths[0], height // scale, width // scale)
        self.expand = nn.Linear(config.latent_dim, math.prod(self.smallest), bias=False)
        self.normalize = nn.ModuleList(
            nn.BatchNorm2d(each, EPSILON, MOMENTUM, affine=not config.classes) for each in widths
        )
        self.gains_and_shifts = nn.ModuleList(
            nn.Embedding(config.classes, 2 * each) for each in widths if config.classes
        )
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1, bias=after == colours)
            for before, after in zip(widths, (*widths[1:], colours), strict=True)
        )

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        x = self.expand(z).view(-1, *self.smallest)
        for level, double in enumerate(self.doublings):
            x = self.normalize[level](x)
            if labels is not None:
                per_label = self.gains_and_shifts[level](labels)[:, :, None, None]
                gain, shift = per_label.chunk(2, dim=1)  # (B, C, 1, 1) each
                x = x * (1 + gain) + shift
            x = double(functional.relu(x))
        return torch.tanh(x)

    def paint(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return images `(B, H, W, C)` in [0, 1]."""
        return ((self(z, labels) + 1) / 2).permute(0, 2, 3, 1)

    def take(self, ours: "DCGANGenerator") -> None:
        """Take the weights of the same network in Keras."""
        height, width, channels = ours.smallest
        kernel = ours.expand.kernel.numpy().reshape(-1, height, width, channels)
        carry(self.expand.weight, kernel.transpose(3, 1, 2, 0).reshape(-1, len(kernel)))
        for normalize, other in zip(self.normalize, ours.normalize, strict=True):
            carry(normalize.running_mean, other.normalize.moving_mean)
            carry(normalize.running_var, other.normalize.moving_variance)
            if normalize.affine:
                carry(normalize.weight, other.normalize.gamma)
                carry(normalize.bias, other.normalize.beta)
        for table, other in zip(self.gains_and_shifts, ours.normalize, strict=False):
            carry(table.weight, other.gain_and_shift.kernel)
        for double, other in zip(self.doublings, ours.doublings, strict=True):
            carry(double.weight, other.kernel, (3, 2, 0, 1))  # (in, out, 4, 4)
        carry(self.doublings[-1].bias, ours.doublings[-1].bias)


class TorchDiscriminator(nn.Module):
    """Maps images `(B, C, H, W)` to logits `(B,)`."""

    def __init__(self, config: "GANConfig"):
        super().__init__()
        height, width, colours = config.image_shape
        scale = 2 ** len(config.channels)
        self.halvings = nn.ModuleList(
            nn.Conv2d(before, after, 4, stride=2, padding=1)
            for before, after in zip((colours, *config.channels), config.channels, strict=False)
        )
        self.smallest = (height // scale, width // scale)
        self.realness = nn.Linear(config.channels[-1] * math.prod(self.smallest), 1)

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        x = image
        for halve in self.halvings:
            x = functional.leaky_relu(halve(x), SLOPE)
        return self.realness(x.flatten(1))[:, 0]

    def take(self, ours: "Discriminator") -> None:
        """Take the weights of the same network in Keras."""
        for halve, other in zip(self.halvings, ours.trunk.halvings, strict=True):
            carry(halve.weight, other.kernel, (3, 2, 0, 1))
            carry(halve.bias, other.bias)
        kernel = ours.realness.kernel.numpy().reshape(*self.smallest, -1)  # (h, w, channels)
        carry(self.realness.weight, kernel.transpose(2, 0, 1).reshape(1, -1))
        carry(self.realness.bias, ours.realness.bias)


def discriminator_loss(
    discriminator: nn.Module, real: torch.Tensor, fake: torch.Tensor
) -> torch.Tensor:
    """Return the non-saturating loss (Goodfellow et al. 2014), a scalar."""
    real_logits, fake_logits = discriminator(torch.cat([real, fake])).chunk(2)
    return (functional.softplus(-real_logits) + functional.softplus(fake_logits)).mean()


def generator_loss(discriminator: nn.Module, fake: torch.Tensor) -> torch.Tensor:
    """Return the non-saturating loss, a scalar."""
    return functional.softplus(-discriminator(fake)).mean()

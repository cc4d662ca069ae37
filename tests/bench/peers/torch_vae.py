"""The decoders of `zoo.vae` as a PyTorch user would write them, to measure beside.

Nothing of TensorFlow is loaded with it, so that memory and loading can be measured too.
"""

import math
from itertools import pairwise
from typing import TYPE_CHECKING

import torch
from torch import nn
from torch.nn import functional

from tests.bench.weights import carry

if TYPE_CHECKING:
    from zoo.vae import VAEConfig


class TorchDecoder(nn.Module):
    """Maps latents `(B, D)`, and labels `(B,)` if any, to the logits of pixels `(B, C, H, W)`."""

    def __init__(self, config: "VAEConfig"):
        super().__init__()
        self.activation, self.classes = config.activation, config.classes
        widths = [config.latent_dim + config.classes, *config.hidden[::-1]]
        self.hidden = _dense(widths)
        height, width, colours = config.image_shape
        channels = config.channels[::-1] if config.architecture == "convolutional" else ()
        scale = 2 ** len(channels)
        self.smallest = ((*channels, colours)[0], height // scale, width // scale)
        self.expand = nn.Linear(widths[-1], math.prod(self.smallest))
        self.residual = nn.ModuleList(
            nn.ModuleList(_Residual(width, config.activation) for _ in range(config.blocks))
            for width in channels
        )
        self.doublings = nn.ModuleList(
            nn.ConvTranspose2d(before, after, 4, stride=2, padding=1)
            for before, after in zip(channels, (*channels[1:], colours), strict=False)
        )

    def forward(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        activate, x = getattr(functional, self.activation), z
        if labels is not None:
            x = torch.cat([z, functional.one_hot(labels, self.classes).to(z.dtype)], dim=1)
        for layer in self.hidden:
            x = activate(layer(x))
        x = self.expand(x).view(-1, *self.smallest)
        for blocks, double in zip(self.residual, self.doublings, strict=True):
            for block in blocks:
                x = block(x)
            x = double(activate(x))
        return x

    def paint(self, z: torch.Tensor, labels: torch.Tensor | None = None) -> torch.Tensor:
        """Return the expected images `(B, H, W, C)` in [0, 1]."""
        return torch.sigmoid(self(z, labels)).permute(0, 2, 3, 1)

    def take(self, ours: object) -> None:
        """Take the weights of a `DenseDecoder` or a `ConvolutionalDecoder`."""
        for layer, other in zip(self.hidden, ours.hidden.layers, strict=True):
            carry(layer.weight, other.kernel, (1, 0))
            carry(layer.bias, other.bias)
        last = ours.expand if self.doublings else ours.output_layer
        channels, *size = self.smallest
        for mine, other in ((self.expand.weight, last.kernel), (self.expand.bias, last.bias)):
            value = other.numpy().T.reshape(*size, channels, -1)
            carry(mine, value.transpose(2, 0, 1, 3).reshape(mine.shape))
        for level, double in enumerate(self.doublings):
            for mine, other in zip(self.residual[level], ours.residual[level].layers, strict=True):
                _take_convolution(mine.first, other.first)
                _take_convolution(mine.second, other.second)
            _take_convolution(double, ours.doublings[level])


class _Residual(nn.Module):
    """`x + convolve(activate(convolve(activate(x))))`."""

    def __init__(self, channels: int, activation: str):
        super().__init__()
        self.activation = activation
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        activate = getattr(functional, self.activation)
        return x + self.second(activate(self.first(activate(x))))


def _dense(widths: list[int]) -> nn.ModuleList:
    return nn.ModuleList(nn.Linear(before, after) for before, after in pairwise(widths))


def _take_convolution(mine: nn.Module, ours: object) -> None:
    carry(mine.weight, ours.kernel, (3, 2, 0, 1))
    carry(mine.bias, ours.bias)

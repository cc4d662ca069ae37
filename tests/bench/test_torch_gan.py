"""The two DCGANs that the benchmark compares are the same networks, with the same losses."""

import keras
import numpy as np
import pytest

from zoo.gan import GAN, GANConfig

torch = pytest.importorskip("torch")


def test_both_pairs_have_the_same_losses():
    from tests.bench import torch_gan

    config = GANConfig(channels=(6, 10), latent_dim=5)
    ours = GAN(config)
    generator = torch_gan.TorchGenerator(config).train()
    discriminator = torch_gan.TorchDiscriminator(config).train()
    _copy_generator(ours.generator, generator)
    _copy_discriminator(ours.discriminator, discriminator)
    random = np.random.RandomState(0)
    z = random.standard_normal((3, 5)).astype("float32")
    real = random.uniform(-1, 1, (3, 28, 28, 1)).astype("float32")

    our_fake = ours.generator(z, training=True)
    fake = generator(torch.from_numpy(z))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(our_fake), fake.detach().permute(0, 2, 3, 1), atol=1e-5
    )
    loss = torch_gan.discriminator_loss(
        discriminator, torch.from_numpy(real).permute(0, 3, 1, 2), fake
    )
    expected = float(ours._discriminator_loss(real, our_fake, None))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    expected = float(ours._generator_loss(our_fake, None))
    assert torch_gan.generator_loss(discriminator, fake).item() == pytest.approx(expected, rel=1e-5)


def _copy_generator(ours, theirs) -> None:
    height, width, channels = ours.smallest
    kernel = _drawn(ours.expand.kernel).reshape(-1, height, width, channels)
    theirs.expand.weight.data = _torch(kernel, (3, 1, 2, 0)).reshape(-1, kernel.shape[0])
    for double, other in zip(ours.doublings, theirs.doublings, strict=True):
        other.weight.data = _torch(_drawn(double.kernel), (3, 2, 0, 1))  # (in, out, 4, 4)
    theirs.doublings[-1].bias.data = _torch(_drawn(ours.doublings[-1].bias), (0,))


def _copy_discriminator(ours, theirs) -> None:
    for halve, other in zip(ours.trunk.halvings, theirs.halvings, strict=True):
        other.weight.data = _torch(_drawn(halve.kernel), (3, 2, 0, 1))
        other.bias.data = _torch(_drawn(halve.bias), (0,))
    kernel = _drawn(ours.realness.kernel).reshape(7, 7, -1, 1)
    theirs.realness.weight.data = _torch(kernel, (3, 2, 0, 1)).reshape(1, -1)
    theirs.realness.bias.data = _torch(_drawn(ours.realness.bias), (0,))


def _drawn(variable) -> np.ndarray:
    """Give a variable random values, and return them."""
    value = np.random.RandomState(1).normal(0, 0.2, variable.shape).astype("float32")
    variable.assign(value)
    return value


def _torch(value: np.ndarray, order: tuple[int, ...]):
    return torch.from_numpy(value.transpose(order).copy())

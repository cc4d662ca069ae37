"""The two DCGANs that the benchmark compares are the same networks, with the same losses."""

import keras
import numpy as np
import pytest

from zoo.gan import GAN, GANConfig

torch = pytest.importorskip("torch")


def test_both_pairs_have_the_same_losses():
    from tests.bench.peers import torch_gan

    config = GANConfig(channels=(6, 10), latent_dim=5)
    ours = _drawn(GAN(config))
    generator = torch_gan.TorchGenerator(config).train()
    discriminator = torch_gan.TorchDiscriminator(config).train()
    generator.take(ours.generator)
    discriminator.take(ours.discriminator)
    z = np.random.RandomState(0).standard_normal((3, 5)).astype("float32")
    real = np.random.RandomState(1).uniform(-1, 1, (3, 28, 28, 1)).astype("float32")

    our_fake = ours.generator(z, training=True)
    fake = generator(torch.from_numpy(z))
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(our_fake), fake.detach().permute(0, 2, 3, 1), atol=1e-5
    )
    loss = torch_gan.discriminator_loss(
        discriminator, torch.from_numpy(real).permute(0, 3, 1, 2), fake
    )
    expected = float(ours._discriminator_loss([real], our_fake, z, None))
    assert loss.item() == pytest.approx(expected, rel=1e-5)
    expected = float(ours._generator_loss(our_fake, z, None))
    assert torch_gan.generator_loss(discriminator, fake).item() == pytest.approx(expected, rel=1e-5)


def test_both_generators_draw_the_same_images_of_labels():
    from tests.bench.peers.torch_gan import TorchGenerator

    config = GANConfig(channels=(6, 10), latent_dim=5, classes=3)
    ours, theirs = _drawn(GAN(config)), TorchGenerator(config).eval()
    theirs.take(ours.generator)
    z = np.random.RandomState(0).standard_normal((3, 5)).astype("float32")
    labels = np.arange(3)
    expected = ours({"z": z, "labels": labels})
    with torch.inference_mode():
        image = theirs.paint(torch.from_numpy(z), torch.from_numpy(labels))
    np.testing.assert_allclose(expected, image, atol=1e-5)


def _drawn(model: GAN) -> GAN:
    """Give every variable of both networks values that matter."""
    random = np.random.RandomState(1)
    for variable in (*model.generator.variables, *model.discriminator.variables):
        value = random.normal(0, 0.2, variable.shape)
        variable.assign(abs(value) + 0.5 if "variance" in variable.path else value)
    return model

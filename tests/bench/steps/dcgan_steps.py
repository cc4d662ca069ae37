"""One training step of a DCGAN, both its networks: ours, as `fit` runs it, and a PyTorch user's."""

import argparse
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import torch

from tests.bench.peers import torch_gan
from zoo.gan import GAN, GANConfig
from zoo.training.optimizers import Adam

RATE, MOMENTS = 2e-4, (0.5, 0.999)  # of Radford et al. 2016

Step = Callable[[], object]


def steps(
    arguments: argparse.Namespace, precision: str, policy: str
) -> tuple[Step, Callable[[bool], Step], int]:
    """Return our step, what makes theirs (compiled or not), and the real images of a step.

    Without penalties, whose second derivatives `torch.compile` does not take.
    """
    config = GANConfig()
    random = np.random.RandomState(0)
    images = random.random_sample((arguments.images, *config.image_shape)).astype(np.float32)

    def theirs(compiled: bool) -> Step:
        return _torch_step(config, images, precision, arguments.threads, compiled)

    return _our_step(config, images, policy), theirs, len(images)


def _our_step(config: GANConfig, images: np.ndarray, policy: str) -> Step:
    keras.config.set_dtype_policy(policy)
    try:
        model = GAN(config)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(*(Adam(RATE, *MOMENTS) for _ in range(2)))
    model.make_train_function()
    batches = iter(tf.data.Dataset.from_tensors(images).repeat())
    return lambda: float(model.train_function(batches)["generator_loss"])


def _torch_step(
    config: GANConfig, images: np.ndarray, precision: str, threads: int, compiled: bool
) -> Step:
    torch.set_num_threads(threads)
    networks = torch_gan.TorchGenerator(config), torch_gan.TorchDiscriminator(config)
    # What PyTorch's own guide advises for convolutions on a CPU.
    networks = [each.train().to(memory_format=torch.channels_last) for each in networks]
    of_generator, of_discriminator = (
        torch.optim.Adam(each.parameters(), RATE, MOMENTS, fused=True) for each in networks
    )
    generator, discriminator = map(torch.compile, networks) if compiled else networks
    real = torch.from_numpy(2 * images - 1).permute(0, 3, 1, 2)

    def step() -> float:
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            fake = generator(torch.randn(len(real), config.latent_dim)).to(torch.float32)
            of_discriminator.zero_grad(set_to_none=True)
            loss = torch_gan.discriminator_loss(discriminator, real, fake.detach())
        loss.backward()
        of_discriminator.step()
        of_generator.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = torch_gan.generator_loss(discriminator, fake)
        loss.backward()
        of_generator.step()
        return loss.item()

    return step

"""Tiny GANs, shared by their tests."""

import keras
import numpy as np

from zoo.gan import GAN, GANConfig

SIZES = {
    "dense": {"image_shape": (8, 8, 1), "hidden": (6, 10)},
    "dcgan": {"image_shape": (8, 12, 3), "channels": (4, 6)},
    "residual": {"image_shape": (8, 8, 1), "channels": (4, 6)},
    "infogan": {"image_shape": (8, 8, 1), "channels": (4, 6), "hidden": (7,)},
}
CONDITIONS = {
    "unconditional": {},
    "projection": {"classes": 3},
    "auxiliary": {"classes": 3, "conditioning": "auxiliary"},
    "implicit": {"classes": 3, "conditioning": "implicit", "continuous": 2},
}


def config(architecture: str, condition: str = "unconditional", **values) -> GANConfig:
    """A tiny configuration."""
    sizes = {"architecture": architecture, "latent_dim": 5, **SIZES[architecture]}
    return GANConfig(**{**sizes, **CONDITIONS[condition], **values})


def model(config: GANConfig, seed: int = 0) -> GAN:
    """A tiny GAN, the same for the same seed, whose every weight matters."""
    keras.utils.set_random_seed(seed + 1)
    made = GAN(config, seed=seed)
    for variable in made.trainable_variables:  # zeros would hide mistakes
        variable.assign_add(keras.random.normal(variable.shape, stddev=0.05))
    return made


def compiled(config: GANConfig, rate: float = 1e-2) -> GAN:
    """A tiny GAN with plain gradient descent for both networks."""
    from zoo.training.optimizers import SGD

    made = model(config)
    made.compile(SGD(rate), SGD(rate * config.learning_rate_ratio))
    return made


def batch(config: GANConfig, count: int, seed: int = 0) -> np.ndarray | dict[str, np.ndarray]:
    """Images of 256 levels, with labels if the model takes them."""
    random = np.random.RandomState(seed)
    image = random.randint(0, 256, (count, *config.image_shape)).astype("float32") / 255
    if not config.data_classes:
        return image
    return {"image": image, "labels": random.randint(0, config.classes, count).astype("int32")}

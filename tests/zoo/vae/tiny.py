"""Tiny models and data, shared by the tests of every family."""

import numpy as np

import zoo

MODELS = {
    "dense": {"architecture": "dense", "hidden": (12,), "latent_dim": 3},
    "convolutional": {
        "architecture": "convolutional",
        "channels": (4, 6),
        "hidden": (10,),
        "latent_dim": 3,
    },
    "colour": {
        "architecture": "convolutional",
        "image_shape": (32, 32, 3),
        "channels": (4, 4),
        "hidden": (),
        "latent_dim": 3,
        "likelihood": "discretized_logistic",
    },
    "conditional": {
        "architecture": "convolutional",
        "channels": (4,),
        "classes": 4,
        "latent_dim": 2,
    },
    "conditional dense": {"architecture": "dense", "hidden": (8,), "classes": 4, "latent_dim": 2},
    "iwae": {"hidden": (12,), "latent_dim": 3, "objective": "iwae", "samples": 5},
    "free bits": {"hidden": (12,), "latent_dim": 3, "free_bits": 0.3, "beta": 2.0, "samples": 2},
}


def model(kind: str, seed: int = 0) -> zoo.VAE:
    """A tiny VAE, the same for the same seed, whose every weight matters."""
    import keras

    keras.utils.set_random_seed(seed + 1)
    made = zoo.VAE(zoo.VAEConfig(**MODELS[kind]), seed=seed)
    for variable in made.trainable_variables:  # zeros would hide mistakes
        variable.assign_add(keras.random.normal(variable.shape, stddev=0.05))
    return made


def batch(config: zoo.VAEConfig, count: int, seed: int = 0) -> np.ndarray | dict[str, np.ndarray]:
    """Images of 256 levels (binary for a Bernoulli model), with labels if the model takes them."""
    random = np.random.RandomState(seed)
    levels = 2 if config.likelihood == "bernoulli" else 256
    image = random.randint(0, levels, (count, *config.image_shape)).astype("float32") / (levels - 1)
    if not config.classes:
        return image
    return {"image": image, "labels": random.randint(0, config.classes, count).astype("int32")}

"""Generative models in Keras: their definition, data, training and evaluation.

Names load on first use, so that `import zoo` costs nothing and needs no TensorFlow.

Example:
    >>> import zoo
    >>> model = zoo.VAE(zoo.VAEConfig(latent_dim=2))
    >>> model.generate(1).dtype
    dtype('uint8')
"""

from importlib import import_module
from typing import Any

__version__ = "0.1.0"

_HOMES = {
    "Codes": "zoo.codes",
    "CodesConfig": "zoo.codes",
    "Flow": "zoo.flow",
    "FlowConfig": "zoo.flow",
    "GAN": "zoo.gan",
    "GANConfig": "zoo.gan",
    "GPT": "zoo.transformer",
    "GPTConfig": "zoo.transformer",
    "MaskedConfig": "zoo.masked",
    "MaskedLanguageModel": "zoo.masked",
    "MusicConfig": "zoo.music",
    "MusicTransformer": "zoo.music",
    "Prior": "zoo.prior",
    "PriorConfig": "zoo.prior",
    "RepairConfig": "zoo.repair",
    "Repairer": "zoo.repair",
    "RestorationConfig": "zoo.restoration",
    "Restorer": "zoo.restoration",
    "Restyler": "zoo.style",
    "StyleConfig": "zoo.style",
    "TranslationConfig": "zoo.translation",
    "Translator": "zoo.translation",
    "VAE": "zoo.vae",
    "VAEConfig": "zoo.vae",
    "Video": "zoo.video",
    "VideoConfig": "zoo.video",
    "Recipe": "zoo.recipe",
    "fine_tuning": "zoo.training",
    "from_checkpoint": "zoo.checkpoints.loading",
    "import_checkpoint": "zoo.checkpoints.importing",
    "from_workdir": "zoo.training",
    "from_preset": "zoo.presets",
    "train": "zoo.training",
    "GenzooError": "serving.errors",
    "UsageError": "serving.errors",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo' has no attribute {name!r}")
    if _HOMES[name].startswith("zoo."):
        import_module("zoo.startup").require_tensorflow()
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

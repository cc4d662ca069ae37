"""Chiptunes at run time."""

import secrets
from typing import Annotated, Any

import numpy as np

from serving.bundle.records import Record
from serving.calls import call
from serving.families.model import Model, Timed, check_interface
from serving.noise import SEED_LIMIT, normal
from serving.parameters import Parameter, Seed
from serving.runtime.loaded import Loaded

Count = Annotated[int, Parameter("how many", minimum=1, options=("-n", "--count"), example=4)]


class ChiptuneProcessing(Record):
    """Sizes of patterns and of latents."""

    steps: int
    voices: int
    notes: int
    latent_dim: int

    @classmethod
    def of(cls, config: Any) -> "ChiptuneProcessing":
        """Return those of a model's configuration."""
        return cls(**{name: getattr(config, name) for name in cls.model_fields})


class Chiptune(Model):
    """Draws patterns, and varies those that it is given."""

    Processing = ChiptuneProcessing

    def __init__(self, loaded: Loaded) -> None:
        super().__init__(loaded)
        sizes = self.processing
        shape = ["batch_size", sizes.steps, sizes.voices]
        latent = {"z": ["batch_size", sizes.latent_dim]}
        check_interface(
            loaded.manifest, {"decoder": (latent, {"logits": [*shape, sizes.notes + 1]})}
        )

    @call(gives="pattern")
    def generate(self, n: Count = 4, seed: Seed = None) -> np.ndarray:
        """Draw new patterns: int `(n, steps, voices)`."""
        self.last_seed = secrets.randbelow(SEED_LIMIT) if seed is None else seed
        return self._decoded(normal(n, self.processing.latent_dim, self.last_seed))

    @call(gives="pattern")
    def vary(
        self,
        patterns: Annotated[Any, Parameter("patterns to vary", content="pattern")],
        strength: Annotated[float, Parameter("of the change", minimum=0, maximum=4)] = 0.5,
        seed: Seed = None,
    ) -> np.ndarray:
        """Draw patterns like others: int `(N, steps, voices)`."""
        self.last_seed = secrets.randbelow(SEED_LIMIT) if seed is None else seed
        feeds = {"pattern": np.asarray(patterns, np.int32)}
        (mean,) = self.sessions["encoder"].run(["mean"], feeds)
        noise = normal(len(mean), self.processing.latent_dim, self.last_seed)
        return self._decoded(mean + np.float32(strength) * noise)

    def _decoded(self, z: np.ndarray) -> np.ndarray:
        return self.sessions["decoder"].run(["logits"], {"z": z})[0].argmax(-1)

    def timed(self, batch: int) -> dict[str, Timed]:
        return {"generate": Timed(lambda: self.generate(batch, seed=0), batch)}

    def smallest(self) -> np.ndarray:
        return self.generate(1, seed=0)

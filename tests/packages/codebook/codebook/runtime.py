"""Codes drawn one after the other, and the images that they stand for."""

import secrets
from collections.abc import Callable
from typing import Annotated, Any

import numpy as np

from serving.bundle.records import Record
from serving.calls import call
from serving.content.pictures import to_uint8
from serving.families.model import Model, Timed
from serving.noise import SEED_LIMIT
from serving.parameters import Parameter, Seed

Count = Annotated[int, Parameter("how many", minimum=1, options=("-n", "--count"), example=16)]


class PriorProcessing(Record):
    """Sizes of images and codes."""

    image_shape: list[int]
    positions: int
    vocabulary: int


def draw(n: int, seed: int, positions: int, prior: Callable, decode: Callable) -> np.ndarray:
    """Draw images uint8 `(n, H, W, C)`, the same whatever runs the two networks."""
    uniform = np.random.RandomState(seed).random_sample((n, positions, 1))
    codes = np.zeros((n, positions), np.int32)
    for place in range(positions):
        logits = np.asarray(prior(codes), np.float64)[:, place]
        weights = np.exp(logits - logits.max(-1, keepdims=True)).cumsum(-1)
        codes[:, place] = (weights <= uniform[:, place] * weights[:, -1:]).sum(-1)
    return to_uint8(np.asarray(decode(codes)))


class CodePrior(Model):
    """Draws images by their codes."""

    Processing = PriorProcessing

    @call(gives="image")
    def generate(self, n: Count = 64, seed: Seed = None) -> np.ndarray:
        """Draw new images: uint8 `(n, H, W, C)`."""
        self.last_seed = secrets.randbelow(SEED_LIMIT) if seed is None else seed

        def run(role: str, output: str) -> Callable[[Any], np.ndarray]:
            return lambda codes: self.sessions[role].run([output], {"codes": codes})[0]

        networks = run("prior", "logits"), run("decoder", "image")
        return draw(n, self.last_seed, self.processing.positions, *networks)

    def timed(self, batch: int) -> dict[str, Timed]:
        return {"generate": Timed(lambda: self.generate(batch, seed=0), batch)}

    def smallest(self) -> np.ndarray:
        return self.generate(1, seed=0)

"""The graph that steers what a generator draws: what a judge says, and its slope by the latent."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from serving.families.guidance.asking import GRAPH, LATENT, LOG_PROBABILITY, SLOPE, WANTED
from zoo.guidance.look import look
from zoo.judge import Classifier

# Of a batch, rows whose slope may be on either side of a kink: a rectifier that is just opening,
# two numbers of which either is the larger. A judge has tens of thousands of such for each image.
EDGES = 0.02


def guide(drawing: GraphSpec, judge: Classifier) -> GraphSpec:
    """Describe the graph that steers another one.

    Args:
        drawing: takes `z` and whatever else, and returns an `image` in [0, 1].
        judge: of such images.
    """
    classes = judge.config.classes
    (size,) = (each.axes[1] for each in drawing.inputs if each.name == LATENT)

    def call(z: Any, wanted: Any, **others: Any) -> Mapping[str, Any]:
        likely, slope = look(lambda z: drawing.call(z=z, **others)["image"], judge, z, wanted)
        return {LOG_PROBABILITY: likely, SLOPE: slope}

    def sample(count: int, seed: int) -> Arrays:
        """Latents as they are drawn; towards a class for every other one, away for the others."""
        named = np.random.RandomState(seed).randint(classes, size=count)
        wanted = np.eye(classes, dtype=np.float32)[named]
        wanted[1::2] = 1 - wanted[1::2]
        return drawing.sample(count, seed) | {WANTED: wanted}

    return GraphSpec(
        role=GRAPH,
        signature=GRAPH,
        call=call,
        inputs=(
            *drawing.inputs,
            port(WANTED, classes, meaning="1 for each class that will do, else 0"),
        ),
        outputs=(
            port(LOG_PROBABILITY, meaning="of a class that will do, by the judge, in nats"),
            port(SLOPE, int(size), meaning="of that by z: which way z becomes likelier of one"),
        ),
        sample=sample,
        edges={SLOPE: EDGES},
        rounded=False,
    )

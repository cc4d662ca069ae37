"""How chiptunes leave Keras."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from chiptunes.recipe import arpeggios, metric
from chiptunes.runtime import ChiptuneProcessing
from export.families.exporter import Exporter
from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner, session_runners
from serving import noise
from serving.bundle.manifest import Quality
from zoo.metric import Metric


class ChiptuneExporter(Exporter):
    """A trained `ChiptuneModel`."""

    task = "chiptune generation"
    pipeline_tag = "text-to-audio"
    tags = ("chiptune", "music")
    metric = "note_nats"

    @property
    def graphs(self) -> list[GraphSpec]:
        model, config = self.run.model, self.run.recipe.model

        def latents(count: int, seed: int) -> Arrays:
            return {"z": noise.normal(count, config.latent_dim, seed)}

        def patterns(count: int, seed: int) -> Arrays:
            return {"pattern": arpeggios(count, seed, config)}

        logits = port("logits", *config.shape, meaning="of each note, silence first")
        notes = port("pattern", *config.shape[:2], meaning="0, or a note", dtype="int32")
        moments = [port(name, config.latent_dim, meaning=name) for name in ("mean", "log_variance")]
        return [
            GraphSpec(
                role="decoder",
                signature="decode",
                call=lambda z: {"logits": model.decode(z)},
                inputs=(port("z", config.latent_dim, meaning="latent, standard normal"),),
                outputs=(logits,),
                sample=latents,
                sensitivity=("z", "logits"),
            ),
            GraphSpec(
                role="encoder",
                signature="encode",
                call=lambda pattern: dict(
                    zip(("mean", "log_variance"), model.encode(pattern), strict=True)
                ),
                inputs=(notes,),
                outputs=tuple(moments),
                sample=patterns,
                sensitivity=("pattern", "mean"),
            ),
        ]

    @property
    def processing(self) -> dict[str, Any]:
        return ChiptuneProcessing.of(self.run.recipe.model).model_dump()

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        measured = _measured(runners, self.run.recipe, 200)
        return Quality(
            metric=measured.name,
            value=measured.value,
            change=0.0,
            definition=measured.definition,
            samples=measured.samples,
        )

    @classmethod
    def evaluate(cls, recipe: Any, served: Any, settings: Any) -> list[Metric]:
        return [_measured(session_runners(served), recipe, settings.limit)]

    def samples(self, generator: Any) -> np.ndarray:
        return generator.generate(4, seed=0)

    @property
    def limitations(self) -> list[str]:
        return ["Knows arpeggios, and no melody that anybody would remember."]

    @property
    def snippet(self) -> str:
        size = self.run.recipe.model.latent_dim
        return (
            "import numpy as np\nimport onnxruntime\n\n"
            'decoder = onnxruntime.InferenceSession("decoder.onnx")\n'
            f'z = np.random.RandomState(7).standard_normal((4, {size})).astype("float32")\n'
            'notes = decoder.run(["logits"], {"z": z})[0].argmax(-1)\n'
        )


def _measured(runners: Mapping[str, Runner], recipe: Any, count: int) -> Metric:
    patterns = arpeggios(count, recipe.data.seed + 2, recipe.model)
    z = runners["encoder"]({"pattern": patterns})["mean"]
    return metric(patterns, runners["decoder"]({"z": z})["logits"])

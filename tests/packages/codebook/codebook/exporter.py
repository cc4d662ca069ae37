"""Two trained parts in one bundle: three graphs, of the codes and of their prior."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from codebook.prior import code_nats
from codebook.runtime import PriorProcessing, draw
from export.families.exporter import Exporter
from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner, session_runners
from serving.bundle.manifest import Quality
from zoo.data.images import Images
from zoo.metric import Metric


class PriorExporter(Exporter):
    """A trained `Prior`, with the `Codes` that it was trained on."""

    task = "image generation"
    pipeline_tag = "unconditional-image-generation"
    tags = ("image-codes",)
    metric = "code_nats"

    @property
    def graphs(self) -> list[GraphSpec]:
        prior, codes = self.run.model, self.run.earlier["codes"].model
        config, shape = prior.config, codes.config.image_shape
        tokens = port("codes", config.positions, meaning="codes of an image", dtype="int32")
        image = port("image", *shape, meaning="image in [0, 1]")
        logits = port("logits", config.positions, config.vocabulary, meaning="of each code")

        def some(count: int, seed: int) -> Arrays:
            size = (count, config.positions)
            drawn = np.random.RandomState(seed).randint(0, config.vocabulary, size)
            return {"codes": drawn.astype(np.int32)}

        def images(count: int, seed: int) -> Arrays:
            return {"image": np.asarray(codes.decode(some(count, seed)["codes"]))}

        return [
            GraphSpec("prior", "prior", lambda codes: {"logits": prior(codes)}, (tokens,),
                      (logits,), some, ("codes", "logits")),
            GraphSpec("decoder", "decode", lambda codes: {"image": self._decode(codes)}, (tokens,),
                      (image,), some, ("codes", "image")),
            GraphSpec("encoder", "encode", lambda image: {"codes": codes.encode(image)}, (image,),
                      (tokens,), images),
        ]  # fmt: skip

    def _decode(self, codes: Any) -> Any:
        return self.run.earlier["codes"].model.decode(codes)

    @property
    def processing(self) -> dict[str, Any]:
        config, codes = self.run.model.config, self.run.earlier["codes"].model.config
        return PriorProcessing(
            image_shape=list(codes.image_shape),
            positions=config.positions,
            vocabulary=config.vocabulary,
        ).model_dump()

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        shape = self.run.earlier["codes"].model.config.image_shape
        measured = _measured(runners, Images(self.run.recipe.data, shape))
        return Quality(
            metric=measured.name,
            value=measured.value,
            change=0.0,
            definition=measured.definition,
            samples=measured.samples,
        )

    @classmethod
    def evaluate(cls, recipe: Any, served: Any, settings: Any) -> list[Metric]:
        shape = tuple(served.processing.image_shape)
        return [_measured(session_runners(served), Images(recipe.data, shape))]

    def samples(self, generator: Any) -> np.ndarray:
        if hasattr(generator, "calls"):
            return generator.generate(16, seed=0)
        return draw(16, 0, generator.config.positions, generator, self._decode)

    @property
    def limitations(self) -> list[str]:
        return ["Codes are few, so images are coarse."]

    @property
    def snippet(self) -> str:
        positions = self.run.model.config.positions
        return (
            "import numpy as np\nimport onnxruntime\n\n"
            'decoder = onnxruntime.InferenceSession("decoder.onnx")\n'
            f'codes = np.zeros((1, {positions}), "int32")\n'
            'image = decoder.run(["image"], {"codes": codes})[0]\n'
        )


def _measured(runners: Mapping[str, Runner], images: Images) -> Metric:
    codes = runners["encoder"]({"image": images.arrays("test")[0]})["codes"]
    return code_nats(codes, runners["prior"]({"codes": codes})["logits"])

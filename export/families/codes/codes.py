"""How a tokenizer of images is exported: its two graphs, its metric, what its card says."""

from collections.abc import Mapping
from functools import cached_property
from typing import Any

import numpy as np

from export.families.codes.graphs import decoder, encoder
from export.families.exporter import Exporter
from export.families.forms import Form, portable_forms
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from serving.bundle.manifest import Quality
from serving.content.pictures import to_uint8
from serving.families.codes.codes import CODES, DECODER, ENCODER, IMAGE, CodesProcessing
from zoo.codes.evaluate import CodesEvaluateConfig, evaluate, psnr
from zoo.codes.task import beside
from zoo.data.images import Images
from zoo.metric import Metric
from zoo.recipe import Recipe

QUALITY_IMAGES, CALIBRATION_IMAGES, BATCH = 2000, 512, 64
MOST_LOST = 0.2  # dB that 16 or 8 bits may cost


class CodesExporter(Exporter):
    """A trained tokenizer of images as the exporter sees it."""

    task = "image tokenization"
    pipeline_tag = "image-feature-extraction"
    tags = ("image-codes", "finite-scalar-quantization")
    metric = "psnr"

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return [decoder(self.run.model), encoder(self.run.model)]

    @property
    def processing(self) -> dict[str, Any]:
        config = self.run.model.config
        return CodesProcessing(
            image_shape=list(config.image_shape),
            grid=list(config.grid),
            vocabulary=config.vocabulary,
        ).model_dump()

    def forms(self) -> list[Form]:
        """Return the forms in standard ONNX."""
        return portable_forms(self)

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Images of the validation part, or their codes."""
        images = self._images.arrays("validation")[0][:CALIBRATION_IMAGES]
        batches = [images[start : start + BATCH] for start in range(0, len(images), BATCH)]
        if spec.role == ENCODER:
            return [{IMAGE: batch} for batch in batches]
        return [{CODES: self.run.model.encode_all(batch)} for batch in batches]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure what is left of test images, the same for all variants."""
        images = self._images.arrays("test")[0][:QUALITY_IMAGES]
        made = []
        for start in range(0, len(images), BATCH):
            codes = runners[ENCODER]({IMAGE: images[start : start + BATCH]})[CODES]
            made.append(to_uint8(runners[DECODER]({CODES: codes})[IMAGE]))
        return Quality(
            metric=self.metric,
            value=psnr(np.concatenate(made), images),
            change=0.0,
            definition="peak signal-to-noise ratio of a reconstructed test image in dB, mean",
            samples=len(images),
            better="higher",
        )

    def tolerance(self, precision: str, reference: Quality) -> float:
        return MOST_LOST

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: CodesEvaluateConfig) -> list[Metric]:
        """Measure what a bundle leaves of test images."""
        images = recipe.task().images
        real = images.arrays("test")[0]
        codes = served.encode(real)
        vocabulary = served.processing.vocabulary
        return list(evaluate(codes, served.decode(codes), vocabulary, images, settings))

    def samples(self, generator: Any) -> np.ndarray:
        """Return images of the validation part, each beside what is left of it."""
        return beside(generator, self._images)

    @property
    def notes(self) -> list[str]:
        return [codes_note(self.run.model.config)]

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            "Tells images like those of its data set, and blurs what is unlike them.",
            "A code says what is around its place too: changing one changes more than its square.",
        ]

    @property
    def snippet(self) -> str:
        """Python that tells images by codes with ONNX Runtime and NumPy alone."""
        return _SNIPPET.format(shape=self.run.model.config.image_shape)

    @cached_property
    def _images(self) -> Images:
        images: Images = self.run.recipe.task().images
        images.source.check(self.run.record, self.run.directory.path)
        return images


def codes_note(config: Any) -> str:
    """Say what the codes of an image are."""
    rows, columns = config.grid
    return (
        f"An image is {rows} rows of {columns} codes, each 0 to {config.vocabulary - 1}: "
        f"{config.bits:.0f} bits."
    )


_SNIPPET = """\
import numpy as np
import onnxruntime

encoder = onnxruntime.InferenceSession("encoder.onnx")
decoder = onnxruntime.InferenceSession("decoder.onnx")
image = np.zeros((1, *{shape}), "float32")  # in [0, 1]
codes = encoder.run(["codes"], {{"image": image}})[0]
again = decoder.run(["image"], {{"codes": codes}})[0]
pixels = np.rint(again.clip(0, 1) * 255).astype("uint8")
"""

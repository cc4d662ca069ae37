"""How a network that paints photographs is exported: graphs, metric, named styles, card."""

import hashlib
import json
from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from export.families.exporter import Exporter
from export.families.style.graphs import graphs
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from export.run import Run
from serving.bundle.manifest import Quality, Variant
from serving.families.style.restyler import (
    IMAGE,
    PAINTED,
    PAINTER,
    PREDICTOR,
    STYLE,
    STYLES,
    Restyler,
    StyleProcessing,
)
from serving.photographs.photograph import Photograph
from serving.photographs.restyling import SMALLEST, STYLE_SIDE, Styler
from serving.photographs.style_file import packed
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.style.data import StyleData
from zoo.style.evaluate import StyleEvaluateConfig, evaluate, painted_losses, pairs_of
from zoo.style.model import Restyler as KerasRestyler
from zoo.style.model import styler_of
from zoo.style.perception import perception
from zoo.style.task import sheet

SHEET = (12, 8)  # photographs and paintings on the card
STYLES_FILE = "styles.json"
CALIBRATED = 24  # photographs, each in the style of a painting
LOST = {"fp16": 0.01, "int8": 0.05}  # share of the loss that a variant may add


class StyleExporter(Exporter):
    """A trained network that restyles photographs; see `export.families.exporter.Exporter`."""

    task = "style transfer"
    pipeline_tag = "image-to-image"
    tags = ("style-transfer", "image-to-image", "photographs")
    metric = "style_left"

    def __init__(self, run: Run):
        super().__init__(run)
        self.config = run.model.config

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return graphs(self.run.model)

    @property
    def processing(self) -> dict[str, Any]:
        return StyleProcessing(
            style=self.config.style,
            styles=[*self._styles],
            model=_digest(self.run.model),
        ).model_dump()

    @property
    def notes(self) -> Sequence[str]:
        return (
            f"`{IMAGE}` is RGB in levels of 255, divided by 255, of any height and width from "
            f"{SMALLEST} on; `{PAINTED}` is as large. How it is painted depends on all of it.",
            f"`{STYLE}` is what `{PREDICTOR}.onnx` finds in a picture whose shorter side is made "
            f"{STYLE_SIDE} pixels. The mean of several mixes them, and the mean with that of the "
            "photograph itself weakens it.",
            f"`{STYLES_FILE}` has those of {len(self._styles)} paintings, float32 in base64: "
            f"{', '.join(f'`{name}`' for name in self._styles)}.",
        )

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how much a variant may add to the loss."""
        return LOST[precision] * reference.value

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Photographs of the validation part, and paintings."""
        shown, crops = self._data.validation_pictures(self.run.recipe.train.seed)
        if spec.role == PREDICTOR:
            return [{IMAGE: each[None]} for each in (*crops, *shown)][: 2 * CALIBRATED]
        styles = np.asarray(self.run.model.predictor(crops[:CALIBRATED]), np.float32)
        pairs = zip(shown, styles, strict=False)
        return [{IMAGE: image[None], STYLE: style[None]} for image, style in pairs]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the loss of what is painted, of what was not learned from."""
        judge, settings = perception(self.config.features), self.run.recipe.evaluate
        pairs = pairs_of(self._data, judge, settings.pairs, settings.side)
        losses = painted_losses(_styler(runners), pairs, judge)
        total = losses["content"] + self.config.style_weight * losses["style"]
        return Quality(
            metric="loss",
            value=float(total.mean()),
            change=0.0,
            definition=f"mean content distance and {self.config.style_weight:g} times the style "
            "distance of paintings of test photographs in styles that were held out",
            samples=len(total),
            better="lower",
        )

    @classmethod
    def evaluate(
        cls, recipe: Recipe, served: Restyler, settings: StyleEvaluateConfig
    ) -> list[Metric]:
        """Measure a bundle as its training run was measured."""
        return evaluate(served.styler, StyleData(recipe.data), recipe.model, settings)

    def samples(self, generator: Any) -> list[Photograph]:
        """Paint photographs of the validation part in the styles of paintings."""
        keras = isinstance(generator, KerasRestyler)
        styler = styler_of(generator) if keras else generator.styler
        return [sheet(styler, self._data, *SHEET)]

    def write_assets(self, directory: Path, variants: Mapping[str, Variant]) -> dict[str, str]:
        """Write the styles of the paintings that were learned from, by name."""
        text = json.dumps({name: packed(style) for name, style in self._styles.items()}, indent=0)
        (directory / STYLES_FILE).write_text(text + "\n", encoding="utf-8")
        return {STYLES: STYLES_FILE}

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            "Brushwork is as wide in a large photograph as in a small one, in pixels: what is "
            "painted at another size looks different.",
            f"Learned from {self._data.count('train')} photographs of "
            f"{self.run.recipe.data.name} and {len(self._styles)} paintings; pictures that are "
            "unlike all of these lend little more than their colours.",
            "Faces and writing are not kept.",
        ]

    @property
    def snippet(self) -> str:
        """Python that restyles a photograph with ONNX Runtime, NumPy and Pillow alone."""
        return _SNIPPET

    @cached_property
    def _styles(self) -> dict[str, np.ndarray]:
        styler = styler_of(self.run.model)
        known = self._data.paintings.part(held_out=False)
        return {name: styler.style(painting) for name, painting in known.items()}

    @cached_property
    def _data(self) -> StyleData:
        data = StyleData(self.run.recipe.data)
        data.source.check(self.run.record, self.run.directory.path)
        return data


def _digest(model: KerasRestyler) -> str:
    """Return what styles in files know the model by: of all its weights, 16 digits."""
    found = hashlib.sha256()
    for variable in model.variables:
        found.update(np.ascontiguousarray(variable.numpy()).tobytes())
    return found.hexdigest()[:16]


def _styler(runners: Mapping[str, Runner]) -> Styler:
    return Styler(
        lambda image: runners[PREDICTOR]({IMAGE: image})[STYLE],
        lambda image, style: runners[PAINTER]({IMAGE: image, STYLE: style})[PAINTED],
    )


_SNIPPET = """\
import base64
import json

import numpy as np
import onnxruntime
from PIL import Image

name, packed = next(iter(json.load(open("styles.json")).items()))
style = np.frombuffer(base64.b64decode(packed), "<f4")[None]
photograph = Image.open("photo.jpg").convert("RGB")
photograph.thumbnail((1024, 1024))
image = np.asarray(photograph, "float32")[None] / 255
painter = onnxruntime.InferenceSession("painter.onnx")
(painted,) = painter.run(["painted"], {"image": image, "style": style})
Image.fromarray(np.rint(painted[0] * 255).astype("uint8")).save(f"{name}.png")
"""

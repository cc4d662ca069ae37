"""How a masked language model is exported: its graph, its metric, what its card says."""

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from export.errors import ExportError
from export.families.exporter import Exporter
from export.families.forms import Form, portable_forms
from export.families.fusion import SUMS_NOTE, form_of_sums
from export.families.gpt_settings import FUSED
from export.families.masked.settings import write as write_settings
from export.families.ports import port
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import LIMIT, Runner
from export.run import Run
from serving.bundle.manifest import Quality, Variant
from serving.families.masked import GRAPH, LOGITS, STATES, MaskedProcessing
from serving.runtime.loaded import checked_assets
from serving.text.masked.filler import TextFiller
from zoo.data import tokenizers
from zoo.masked.data import MASK_ID, READERS, MaskedText
from zoo.masked.evaluate import ROWS, MaskedEvaluateConfig, evaluate, masked_nats
from zoo.masked.model import MaskedLanguageModel
from zoo.masked.task import filled, gaps
from zoo.masked.writer import filler
from zoo.metric import Metric
from zoo.recipe import Recipe

SEQUENCE = "sequence_length"
SEEDS = (0, 1)
SAMPLED = 16  # tokens of the texts that conversion is tried with
QUALITY_TOKENS = 4000
CALIBRATION_ROWS = 64


class MaskedExporter(Exporter):
    """A trained masked language model; see `export.families.exporter.Exporter`."""

    task = "masked language model"
    pipeline_tag = "fill-mask"
    tags = ("fill-mask", "feature-extraction", "transformer", "modernbert")
    metric = "nats_per_masked_token"
    auto: ClassVar[Mapping[str, Sequence[str]]] = {
        "cpu": ("fused", "fp32"),
        "cuda": ("fp16", "fp32"),
    }

    def __init__(self, run: Run):
        super().__init__(run)
        self.config = run.model.config
        self.tokenizer = run.tokenizer

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return [graph(self.run.model)]

    @property
    def processing(self) -> dict[str, Any]:
        return MaskedProcessing(
            vocabulary_size=self.config.vocabulary_size,
            context=self.config.context,
            mask_token=MASK_ID,
        ).model_dump()

    @property
    def form_notes(self) -> Mapping[str, str]:
        return {FUSED: SUMS_NOTE}

    def forms(self) -> list[Form]:
        """Return the forms of standard ONNX, and one in ONNX Runtime's own operators."""
        return [*portable_forms(self), form_of_sums(self.config.epsilon)]

    @property
    def notes(self) -> Sequence[str]:
        return (
            "A text is its tokens between `<|bos|>` and `<|eos|>`, as `tokenizer.json` puts them, "
            f"at most {self.config.context} in all; `[MASK]` stands for a token that is not known, "
            "and for the space before it. Padding changes nothing, on whichever side.",
            "The vector of a text is the mean of `last_hidden_state` over `attention_mask`.",
        )

    def samples(self, generator: Any) -> list[str]:
        """Fill a few gaps of the validation part."""
        if not isinstance(generator, TextFiller):
            generator = filler(generator, self.tokenizer)
        return filled(generator, gaps(self._text))

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Rows of the validation part with gaps."""
        inputs, targets, _ = self._text.measured("validation")
        rows = np.linspace(0, len(targets) - 1, min(len(targets), CALIBRATION_ROWS)).astype(int)
        whole = {name: each[rows].astype(np.int64) for name, each in inputs.items()}
        return [
            {name: each[start : start + ROWS] for name, each in whole.items()}
            for start in range(0, len(rows), ROWS)
        ]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the surprise at the beginning of the held-out text, the same for all variants."""
        nats = masked_nats(_predict(runners), self._text, QUALITY_TOKENS)
        return Quality(
            metric=self.metric,
            value=float(nats.mean()),
            change=0.0,
            definition="mean -log p of each token of the beginning of the held-out text when it "
            "is masked, in nats/token",
            samples=len(nats),
            better="lower",
        )

    def prove(self, runners: Mapping[str, Runner]) -> None:
        """Prove that a text gives the same alone as padded in a batch."""
        predict, random = _predict(runners), np.random.RandomState(0)
        lengths = np.array([self.config.context, max(1, self.config.context // 3), 1])
        ids = random.randint(0, self.config.vocabulary_size, (len(lengths), lengths[0]))
        mask = (np.arange(lengths[0]) < lengths[:, None]).astype(np.int64)
        together, worst, largest = predict(ids, mask), 0.0, 1.0
        for row, length in enumerate(lengths):
            alone = predict(ids[row : row + 1, :length], mask[row : row + 1, :length])
            worst = np.maximum(worst, np.abs(together[row, :length] - alone[0]).max())  # keeps NaN
            largest = max(largest, float(np.abs(alone).max()))
        if not worst <= LIMIT * largest:  # true for NaN as well
            raise ExportError(
                f"{GRAPH}: a text that is padded differs from the same alone by {worst:.2g}; at "
                f"most {LIMIT * largest:.2g} is allowed"
            )

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: MaskedEvaluateConfig) -> list[Metric]:
        """Measure a bundle on the test part, in its own tokens."""
        assets = checked_assets(served.directory, served.manifest)
        text = _text(recipe, assets["tokenizer"])
        return list(evaluate(served.network.predict, text, settings))

    def write_assets(self, directory: Path, variants: Mapping[str, Variant]) -> dict[str, str]:
        """Write the tokenizer, and the settings that other programs read."""
        write_settings(self.config, directory)
        known = tokenizers.parse(self.tokenizer)
        tokenizers.save(known, directory, self.config.context, READERS)
        (directory / tokenizers.FILE).write_bytes(self.tokenizer)
        return {"tokenizer": tokenizers.FILE}

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            f"Knows the words of '{self.run.recipe.data.name}' and how they are used there, and "
            "guesses at all others; it knows no facts.",
            "A gap is one token: a rare word, which is several, is never what fills it.",
            f"Takes {self.config.context - 2} tokens at most.",
        ]

    @property
    def snippet(self) -> str:
        """Python that fills a gap with ONNX Runtime and `tokenizers` alone."""
        return _SNIPPET

    @cached_property
    def _text(self) -> MaskedText:
        text = _text(self.run.recipe, self.tokenizer)
        text.text.source.check(self.run.record, self.run.directory.path)
        return text


_SNIPPET = """\
import numpy as np
import onnxruntime
import tokenizers

tokenizer = tokenizers.Tokenizer.from_file("tokenizer.json")
model = onnxruntime.InferenceSession("model.onnx")
text = tokenizer.encode("I will [MASK] thee")
given = {"input_ids": [text.ids], "attention_mask": [text.attention_mask]}
(logits,) = model.run(["logits"], {name: np.array(ids) for name, ids in given.items()})
best = logits[0, text.ids.index(tokenizer.token_to_id("[MASK]"))].argsort()[::-1][:5]
print([tokenizer.decode([token]) for token in best])
"""


@dataclass(frozen=True)
class TextGraph(GraphSpec):
    """A graph of whole texts, of whose outputs those of padding mean nothing."""

    def counted(self, inputs: Arrays) -> Arrays:
        return dict.fromkeys((LOGITS, STATES), inputs["attention_mask"][:, :, None])


def graph(model: MaskedLanguageModel) -> GraphSpec:
    """Describe the graph, with the names of the Hugging Face ecosystem."""
    config = model.config
    return TextGraph(
        role=GRAPH,
        signature="read",
        call=partial(_call, model),
        inputs=(
            port("input_ids", SEQUENCE, meaning="tokens of a text", dtype="int64"),
            port(
                "attention_mask",
                SEQUENCE,
                meaning="1 for each token of a text and 0 for padding",
                dtype="int64",
            ),
        ),
        outputs=(
            port(
                LOGITS,
                SEQUENCE,
                config.vocabulary_size,
                meaning="log-probability of each token at each place, up to a constant",
            ),
            port(STATES, SEQUENCE, config.width, meaning="what the model makes of each token"),
        ),
        sample=lambda count, seed: _texts(config, count, SAMPLED, seed),
        sensitivity=("input_ids", LOGITS),
        trials=lambda: _trials(config),
        matrices=[each for each in model.variables if len(each.shape) == 2],
    )


def _call(model: MaskedLanguageModel, input_ids: Any, attention_mask: Any) -> Mapping[str, Any]:
    with warnings.catch_warnings():
        # A token alone attends to itself alone, of which Keras warns.
        warnings.filterwarnings("ignore", "You are using a softmax", UserWarning)
        return model.read(input_ids, attention_mask)


def _texts(config: Any, count: int, length: int, seed: int) -> Arrays:
    """Draw texts of unequal lengths, of which the first is not padded."""
    random = np.random.RandomState(seed)
    length = min(length, config.context)
    ids = random.randint(0, config.vocabulary_size, (count, length))
    lengths = random.randint(1, length + 1, (count, 1))
    lengths[0] = length
    return {"input_ids": ids, "attention_mask": (np.arange(length) < lengths).astype(np.int64)}


def _trials(config: Any) -> Iterator[tuple[str, Arrays]]:
    """Yield batches of texts of several lengths, up to as long as the model takes."""
    for count, length in ((1, 1), (1, config.context), (3, 20), (33, 7)):
        for seed in SEEDS:
            words = f"batch {count}, {length} tokens, seed {seed}"
            yield words, _texts(config, count, length, seed)


def _predict(runners: Mapping[str, Runner]) -> Any:
    """Return an exported graph as what predicts."""

    def predict(input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        given = {"input_ids": input_ids, "attention_mask": attention_mask}
        return runners[GRAPH](given)[LOGITS]

    return predict


def _text(recipe: Recipe, tokenizer: bytes) -> MaskedText:
    """Read a recipe's text in the tokens of a tokenizer that was made before."""
    known = tokenizers.parse(tokenizer)
    return MaskedText(recipe.data, recipe.model.context, recipe.model.vocabulary_size, known)

"""How a translator is exported: its graphs, its tokenizer, its metric, what its card says."""

from collections.abc import Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from export.errors import ExportError
from export.families.exporter import Exporter
from export.families.forms import Form, portable_forms
from export.families.fusion import SUMS_NOTE, form_of_sums
from export.families.gpt_settings import FUSED
from export.families.translation.graphs import graphs
from export.families.translation.settings import write as write_settings
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import LIMIT, Runner
from export.run import Run
from serving.bundle.manifest import Quality, Variant
from serving.families.translation import TranslationProcessing
from serving.families.translation_graph import DECODER, ENCODER, GraphNetwork
from serving.text.tokenizer import Tokenizer
from serving.text.translation.reading import Reading
from serving.text.translation.translator import TextTranslator
from zoo.data import parallel, tokenizers
from zoo.data.parallel import Pairs
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.translation.data import BEGIN, by_language, fitting, languages_of
from zoo.translation.evaluate import TranslationEvaluateConfig, evaluate
from zoo.translation.writer import writer

SAMPLES = 4
QUALITY_TEXTS = 200
CALIBRATION_TEXTS = 64
PROOF_STEPS = 24


class TranslationExporter(Exporter):
    """A trained translator as the exporter sees it; see `export.families.exporter.Exporter`."""

    task = "translation"
    pipeline_tag = "translation"
    tags = ("translation", "transformer", "text2text-generation", "marian")
    metric = "bleu"
    auto: ClassVar[Mapping[str, Sequence[str]]] = {
        "cpu": ("fused", "fp32"),
        "cuda": ("fp16", "fp32"),
    }

    def __init__(self, run: Run):
        super().__init__(run)
        self.config = run.model.config
        self.tokenizer = run.tokenizer
        if run.recipe.data.objective != "pairs":
            raise ExportError(
                f"{run.recipe.name} fills gaps and does not translate; go on from it with "
                "genzoo train RECIPE --from, data.objective 'pairs', and export that run"
            )
        self.languages = languages_of(run.recipe.data, tokenizers.parse(self.tokenizer))

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return graphs(self.run.model)

    @property
    def processing(self) -> dict[str, Any]:
        return TranslationProcessing(
            vocabulary_size=self.config.vocabulary_size,
            context=self.config.context,
            begin_token=BEGIN,
            languages=self.languages,
        ).model_dump()

    @property
    def form_notes(self) -> Mapping[str, str]:
        return {FUSED: SUMS_NOTE}

    def forms(self) -> list[Form]:
        """Return the forms of standard ONNX, and one in ONNX Runtime's own operators."""
        return [*portable_forms(self), form_of_sums(self.config.stack(1).epsilon)]

    @property
    def notes(self) -> Sequence[str]:
        return (
            "A source is its tokens and `<|eos|>`, as `tokenizer.json` puts it"
            + (
                ""
                if None in self.languages.values()
                else ", after the token of the language that is translated into, such as "
                f"`>>{next(iter(self.languages))}<<`"
            )
            + f"; a translation begins with token {BEGIN}.",
            "Of the decoder, all `past_*` lengths are 0 in the first step. Later "
            "`past_encoder_sequence_length` is `encoder_sequence_length`, and nothing is computed "
            "of the source again. `total_decoder_sequence_length` is "
            "`past_decoder_sequence_length` and `decoder_sequence_length` together, at most "
            f"{self.config.context}.",
        )

    def samples(self, generator: Any) -> list[str]:
        """Translate a few texts of the validation part."""
        if not isinstance(generator, TextTranslator):
            generator = writer(generator, self.tokenizer, self.languages)
        pairs = self._pairs("validation")
        count = -(-SAMPLES // len(self.languages))
        found: list[str] = []
        for language in self.languages:
            found += generator.translate(pairs[language].sources[:count], language, beams=1)
        return found

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Texts of the validation part, and what the decoder takes to write their translations."""
        return self._fed[spec.role]

    @cached_property
    def _fed(self) -> dict[str, list[Arrays]]:
        """What each graph takes to read texts, and to begin their translations."""
        recorded: dict[str, list[Arrays]] = {spec.role: [] for spec in self.graphs}

        def recording(spec: GraphSpec) -> Any:
            def run(names: list[str], inputs: Arrays) -> list[np.ndarray]:
                recorded[spec.role].append(inputs)
                outputs = spec.run(inputs)
                return [outputs[name] for name in names]

            return run

        interfaces = {spec.role: spec.interface for spec in self.graphs}
        runs = {spec.role: recording(spec) for spec in self.graphs}
        own = self._translator(GraphNetwork(interfaces, runs))
        for language, pairs in self._pairs("validation").items():
            texts = pairs.sources[:CALIBRATION_TEXTS]
            for start in range(0, len(texts), 16):
                own.complete(texts[start : start + 16], language, beams=1, max_new_tokens=8)
        return recorded

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the surprise at references of the test part, the same for all variants."""
        own = self._translator(self._network(runners))
        language = next(iter(self.languages))
        pairs = self._pairs("test")[language]
        few = list(zip(pairs.sources, pairs.targets, strict=True))[:QUALITY_TEXTS]
        nats = sum(own.score(*pair, language).nats for pair in few)
        return Quality(
            metric="nats_per_character",
            value=nats / sum(len(target) for _, target in few),
            change=0.0,
            definition=f"-log p of the reference in '{language}', its end included, per character, "
            "in nats",
            samples=len(few),
            better="lower",
        )

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how many nats per character a variant may lose."""
        return 0.01

    @classmethod
    def evaluate(
        cls, recipe: Recipe, served: Any, settings: TranslationEvaluateConfig
    ) -> list[Metric]:
        """Translate the test part with a bundle."""
        parts, _ = parallel.read(recipe.data)
        return list(evaluate(served, by_language(parts["test"], served.languages), settings))

    def prove(self, runners: Mapping[str, Runner]) -> None:
        """Prove that writing token by token gives the logits of reading all at once, in a batch."""
        network, size = self._network(runners), self.config.vocabulary_size
        random = np.random.RandomState(0)
        length = min(PROOF_STEPS, self.config.context)
        sources = [random.randint(0, size, count).tolist() for count in (length, length // 2, 1)]
        ids = random.randint(0, size, (len(sources), length))
        expected, _ = Reading.of(network, sources).read(network, ids)
        reading, worst = Reading.of(network, sources), 0.0
        for at in range(length):
            logits, reading = reading.read(network, ids[:, at : at + 1])
            worst = np.maximum(worst, np.abs(logits[:, 0] - expected[:, at]).max())  # keeps NaN
        allowed = LIMIT * max(1.0, float(np.abs(expected).max()))
        if not worst <= allowed:  # true for NaN as well
            raise ExportError(
                f"{DECODER}: {length} tokens one by one differ from all at once by {worst:.2g}; "
                f"at most {allowed:.2g} is allowed"
            )

    def write_assets(self, directory: Path, variants: Mapping[str, Variant]) -> dict[str, str]:
        """Write the tokenizer, and the settings that other programs read."""
        write_settings(self.config, directory)
        tokenizers.save(tokenizers.parse(self.tokenizer), directory, self.config.context)
        (directory / tokenizers.FILE).write_bytes(self.tokenizer)
        return {"tokenizer": tokenizers.FILE}

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            f"Knows the words of '{self.run.recipe.data.name}', and translates whatever else by "
            "guessing: names, numbers and rare words come out wrong, in good grammar.",
            f"Takes sentences, of {self.config.context} tokens at most; a text of several had "
            "better be translated one by one.",
        ]

    @property
    def snippet(self) -> str:
        """Python that translates with `optimum` alone."""
        before = "" if None in self.languages.values() else f">>{next(iter(self.languages))}<< "
        return _SNIPPET.replace("BEFORE", before)

    # --- parts ---

    @cached_property
    def _parts(self) -> dict[str, Pairs]:
        parts, source = parallel.read(self.run.recipe.data)
        source.check(self.run.record, self.run.directory.path)
        return parts

    def _pairs(self, part: str) -> dict[str, Pairs]:
        """Return the pairs that the model can take, by the language that is translated into."""
        known = self._translator(self._network({}))
        found = by_language(self._parts[part], self.languages)
        return {language: fitting(known, pairs, language) for language, pairs in found.items()}

    def _network(self, runners: Mapping[str, Runner]) -> GraphNetwork:
        """Return exported graphs as what translates."""

        def of(role: str) -> Any:
            def run(names: list[str], inputs: Arrays) -> list[np.ndarray]:
                outputs = runners[role](inputs)
                return [outputs[name] for name in names]

            return run

        interfaces = {spec.role: spec.interface for spec in self.graphs}
        return GraphNetwork(interfaces, {role: of(role) for role in (ENCODER, DECODER)})

    def _translator(self, network: GraphNetwork) -> TextTranslator:
        known = Tokenizer(self.tokenizer, limit=self.config.vocabulary_size)
        return TextTranslator(network, known, self.config.context, BEGIN, self.languages)


_SNIPPET = """\
from optimum.onnxruntime import ORTModelForSeq2SeqLM
from transformers import AutoTokenizer

tokenizer = AutoTokenizer.from_pretrained(".")
model = ORTModelForSeq2SeqLM.from_pretrained(".")
words = tokenizer(["BEFOREA dog runs."], return_tensors="pt")
print(tokenizer.batch_decode(model.generate(**words), skip_special_tokens=True))
"""

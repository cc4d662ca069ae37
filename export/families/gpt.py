"""How a Transformer is exported: its graph, its tokenizer, its metric, what its card says."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import cached_property, partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from export.checkpoints.format import Format
from export.checkpoints.formats import formats
from export.errors import ExportError
from export.families import gpt_settings
from export.families.adapters import adaptable
from export.families.exporter import Exporter
from export.families.forms import Form, Made, portable_forms, reduced
from export.families.fusion import OLDEST as FUSED_OLDEST
from export.families.fusion import fuse
from export.families.gpt_graphs import LONGEST, feeds, fused, graphs, static
from export.families.gpt_settings import FUSED
from export.graph import converter
from export.graph.blocks import OLDEST as BLOCKS_OLDEST
from export.graph.precision import quantize_weights
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import LIMIT, Runner
from export.run import Run
from serving.bundle.manifest import Quality, Variant
from serving.families.gpt_graph import ADAPTABLE, STATIC, GraphRun, GraphStep
from serving.families.text_processing import TextProcessing
from serving.runtime.fixed import enlarged
from serving.runtime.loaded import checked_assets
from serving.text.text import TextModel
from zoo.checkpoints.blocks import load_blocks
from zoo.data import given, tokenizers
from zoo.data.styles.codes import code, codes_of
from zoo.data.text import Text
from zoo.judge.styles import agreement, one_of_each
from zoo.metric import Metric
from zoo.recipe import Recipe
from zoo.transformer.config import GPTConfig
from zoo.transformer.evaluate import TextEvaluateConfig, evaluate
from zoo.transformer.writer import writer

SAMPLES, SAMPLE_TOKENS, TEMPERATURE = 4, 200, 0.8
CALIBRATION_WINDOWS = 32
QUALITY_TOKENS = 4000
PROOF_STEPS = 200


class GPTExporter(Exporter):
    """A trained Transformer as the exporter sees it; see `export.families.exporter.Exporter`."""

    task = "text generation"
    pipeline_tag = "text-generation"
    tags = ("gpt", "transformer", "text-generation", "onnxruntime-genai")
    metric = "nats_per_character"
    adapted = ("project", "merge")  # those of attention
    auto: ClassVar[Mapping[str, Sequence[str]]] = {
        "cpu": ("fused", "fp32", "static"),
        "cuda": ("static-fp16", "static", "fp16", "fp32"),  # static graphs are replayed there
    }

    def __init__(self, run: Run):
        super().__init__(run)
        self.config = run.model.config
        self.tokenizer = run.tokenizer
        if self.styles:
            self.task = f"{type(self).task} in {len(self.styles)} styles"
        self.given = None
        if run.recipe.data.tokenizer == given.KIND:
            self.given = given.Given.of_directory(run.directory.path)

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return graphs(self.run.model)

    @property
    def processing(self) -> dict[str, Any]:
        size, context = self.config.vocabulary_size, self.config.context
        words: dict[str, Any] = {"styles": self.styles} if self.styles else {}
        words |= self.given.processing(size) if self.given else {}
        described = TextProcessing(vocabulary_size=size, context=context, **words)
        return described.model_dump(exclude_none=True)

    @cached_property
    def styles(self) -> dict[str, int]:
        """The token that stands for each style, by its name."""
        return codes_of(tokenizers.parse(self.tokenizer))

    @property
    def notes(self) -> Sequence[str]:
        of_styles = [
            f"Styles are {', '.join(self.styles)}: the token of one, as `{code(name)}`, comes "
            "before all others, and stays there where older ones are dropped."
            for name in list(self.styles)[:1]
        ]
        return (
            *of_styles,
            "`total_sequence_length` is `past_sequence_length` and `sequence_length` together, at "
            f"most {self.config.context}; `past_sequence_length` may be 0.",
        )

    @property
    def form_notes(self) -> Mapping[str, str]:
        return {
            FUSED: "The `fused` ones are for ONNX Runtime alone, with one operator for each "
            "attention layer: they take padding on the right, and fill a cache that has room in "
            "place. The others are standard ONNX. Those that end in `-lora` take adapters: inputs "
            "that may be left out.",
            STATIC: "The `static` ones are for GPUs and NPUs, which like sizes that stay: "
            "`past_sequence_length` and `total_sequence_length` are always "
            f"{self.config.context}. Keys and values are written where `position_ids` say (the "
            "cache may be one buffer, given as `past_key_values` and as `present`), padding is on "
            "the right, and no operator asks for a size.",
        }

    def forms(self) -> list[Form]:
        """Return the forms of standard ONNX, those with a cache of fixed size, and the fused ones.

        `static` graphs are standard ONNX too, take padding on the right, and write into a cache of
        fixed size. `fused` ones are for ONNX Runtime alone, take padding on the right, and fill a
        cache that has room in place; those that end in `-lora` take an adapter at each call.
        """
        static = {"kind": STATIC, "before": lambda made: self._static}
        whole = Form("fused", self._fused, ("cpu",), FUSED, exact=True, runtimes=FUSED_OLDEST)
        fused = [self._blockwise(bits) for bits in (8, 4)]
        return [
            *portable_forms(self),
            Form("static", static["before"], ("cuda",), kind=STATIC, exact=True),
            reduced("fp16", self, ("cuda",), name="static-fp16", **static),
            reduced("int8", self, (), name="static-int8", **static),
            whole,
            *fused,
            *map(self._adaptable, [whole, *fused]),
        ]

    @cached_property
    def _static(self) -> Made:
        """The graphs whose cache has room for a whole window, of which several forms are made."""
        specs = {spec.role: static(spec, self.run.model) for spec in self.graphs}
        return Made(specs, {role: converter.convert(spec) for role, spec in specs.items()})

    def _fused(self, made: Made) -> Made:
        """Return the graphs with one operator for each attention layer."""
        graphs = {role: fuse(graph, self.config) for role, graph in made.graphs.items()}
        return Made(self._fused_specs, graphs)

    @cached_property
    def _fused_specs(self) -> dict[str, GraphSpec]:
        return {spec.role: fused(spec, self.run.model) for spec in self.graphs}

    def _blockwise(self, bits: int) -> Form:
        """Return the fused form whose matrices are held in few bits, block by block.

        What came in such blocks, and was not trained since, stays as it came, whatever `bits` is.
        """
        came = self.run.directory.blocks

        def make(made: Made) -> Made:
            whole = self._fused(made)
            blocks = load_blocks(came).values() if came.is_file() else ()
            graphs = {
                role: quantize_weights(graph, bits, blocks) for role, graph in whole.graphs.items()
            }
            return Made(whole.specs, graphs)

        oldest = {"onnxruntime": "1.22"} if bits == 8 else FUSED_OLDEST
        oldest = BLOCKS_OLDEST if came.is_file() else oldest
        allowed = partial(self.tolerance, f"int{bits}")
        return Form(f"fused-int{bits}", make, ("cpu",), FUSED, allowed=allowed, runtimes=oldest)

    def _adaptable(self, form: Form) -> Form:
        """Return a fused form that takes adapters of the attention layers."""

        def make(made: Made) -> Made:
            return adaptable(form.make(made), self.run.model, self.adapted)

        return replace(form, name=form.name + ADAPTABLE, make=make)

    def samples(self, generator: Any) -> list[str]:
        """Write a few texts, of seeds 0 and up, and of the first styles where there are some."""
        if not isinstance(generator, TextModel):
            ends = self.given.ends if self.given else None
            generator = writer(generator, self.tokenizer, ends)
        return generator.generate(
            [generator.tokenizer.beginning] * SAMPLES,
            max_new_tokens=SAMPLE_TOKENS,
            temperature=TEMPERATURE,
            seed=list(range(SAMPLES)),
            **one_of_each(list(self.styles), SAMPLES),
        )

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Windows of the validation part, read at once and written on from their middle."""
        tokens, length = self._text.tokens("validation"), min(self.config.context, LONGEST)
        starts = range(0, max(1, len(tokens) - length), max(1, len(tokens) // CALIBRATION_WINDOWS))
        windows = [tokens[start : start + length] for start in starts]
        ids = np.stack([window for window in windows if len(window) == len(windows[0])])
        halves = np.array_split(ids, 8)
        model, middle = self.run.model, ids.shape[1] // 2
        read = [feeds(model, rows, past) for rows in halves if len(rows) for past in (0, middle)]
        return [enlarged(inputs, self.graphs[0].interface, spec.fixed) for inputs in read]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the surprise at the beginning of the held-out text, the same for all variants."""
        stride = self.run.recipe.evaluate.stride
        settings = TextEvaluateConfig(stride=stride, limit=QUALITY_TOKENS)
        nats = next(evaluate(graph_step(self.graphs[0], runners), self._text, settings))
        return Quality(
            metric=nats.name,
            value=nats.value,
            change=0.0,
            definition=f"{nats.definition}, in {nats.unit}",
            samples=nats.samples,
            better=nats.better,
        )

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: TextEvaluateConfig) -> list[Metric]:
        """Measure the surprise at the held-out text, in the tokens of the bundle."""
        assets = checked_assets(served.directory, served.manifest)
        known = None
        if recipe.data.tokenizer == given.KIND:
            known = given.Given({served.manifest.assets[what]: assets[what] for what in assets})
        text = _text(recipe, assets["tokenizer"], known)
        metrics = list(evaluate(served.step, text, settings))
        return [*metrics, *agreement(served, text, settings)] if text.styles else metrics

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how many nats per character a variant may lose."""
        return 0.03 if precision == "int4" else 0.01

    def prove(self, runners: Mapping[str, Runner]) -> None:
        """Prove that writing on token by token gives the logits of reading all at once."""
        check_cached(graph_step(self.graphs[0], runners), self.config)

    def formats(self) -> list[Format]:
        """Return those of llama.cpp and `transformers`, with what speaks against each."""
        return formats(self.run, self.tokenizer, self.given)

    def write_assets(self, directory: Path, variants: Mapping[str, Variant]) -> dict[str, str]:
        """Write the tokenizer, and the settings that other programs read."""
        gpt_settings.write(self.config, variants, directory, self.given)
        if self.given:
            return self.given.write(directory)
        tokenizers.save(tokenizers.parse(self.tokenizer), directory, self.config.context)
        (directory / tokenizers.FILE).write_bytes(self.tokenizer)
        return {"tokenizer": tokenizers.FILE}

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        seen = self.config.context
        if self.given:
            return [
                "Was not trained here: what it writes may be wrong, biased or offensive, as what "
                "the checkpoint writes that it was imported from.",
                f"Sees {seen} tokens at once; what lies further back does not count.",
            ]
        return [
            "Writes text that looks like its training text, and nothing else: it knows no facts, "
            "follows no instructions, and may repeat its training text word for word.",
            f"Sees {seen} tokens at once; what lies further back does not count.",
        ]

    @property
    def snippet(self) -> str:
        """Python that writes on with ONNX Runtime GenAI alone."""
        return _SNIPPET

    @cached_property
    def _text(self) -> Text:
        text = _text(self.run.recipe, self.tokenizer, self.given)
        text.source.check(self.run.record, self.run.directory.path)
        return text


_SNIPPET = """\
import onnxruntime_genai

model = onnxruntime_genai.Model(".")
tokenizer = onnxruntime_genai.Tokenizer(model)
settings = onnxruntime_genai.GeneratorParams(model)
settings.set_search_options(max_length=64, do_sample=True, temperature=0.8, top_k=40)
generator = onnxruntime_genai.Generator(model, settings)
generator.append_tokens(tokenizer.encode("The "))
while not generator.is_done():
    generator.generate_next_token()
print(tokenizer.decode(generator.get_sequence(0)))
"""


def graph_step(spec: GraphSpec, runners: Mapping[str, Runner]) -> GraphStep:
    """Return an exported graph as what decodes and scores text."""
    return GraphStep(spec.interface, outputs_of(runners[spec.role]))


def outputs_of(runner: Runner) -> GraphRun:
    """Return what runs a graph as a session does: names of outputs and inputs, to those outputs."""

    def run(names: list[str], inputs: Arrays) -> list[np.ndarray]:
        outputs = runner(inputs)
        return [outputs[name] for name in names]

    return run


def check_cached(step: GraphStep, config: GPTConfig) -> None:
    """Make sure that reading token by token gives the logits of reading all at once.

    Raises:
        ExportError: it does not.
    """
    length = min(PROOF_STEPS, config.context)
    ids = np.random.RandomState(0).randint(0, config.vocabulary_size, (1, length))
    mask, places = np.ones_like(ids), np.arange(length)[None]
    expected, _ = step(ids, mask, places, None)
    past, worst = None, 0.0
    for at in range(length):
        now = slice(at, at + 1)
        logits, past = step(ids[:, now], mask[:, : at + 1], places[:, now], past)
        worst = np.maximum(worst, np.abs(logits[:, 0] - expected[:, at]).max())  # keeps NaN
    allowed = LIMIT * max(1.0, float(np.abs(expected).max()))
    if not worst <= allowed:  # true for NaN as well
        raise ExportError(
            f"model: {length} tokens one by one differ from all at once by {worst:.2g}; "
            f"at most {allowed:.2g} is allowed"
        )


def _text(recipe: Recipe, tokenizer: bytes, known: given.Given | None) -> Text:
    """Read a recipe's text in the tokens of a tokenizer that was made before."""
    return Text(
        recipe.data,
        recipe.model.context,
        recipe.model.vocabulary_size,
        tokenizers.parse(tokenizer),
        end=next(iter(known.ends), None) if known else tokenizers.EOS,
    )

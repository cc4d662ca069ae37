"""How a network of music is exported: its graph, its metric, its samples, what its card says."""

from collections.abc import Iterator, Mapping
from functools import cached_property, partial
from typing import Any

import numpy as np

from export.families import gpt_graphs
from export.families.exporter import Exporter
from export.families.gpt import check_cached, graph_step, outputs_of
from export.families.gpt_graphs import SEEDS, SEQUENCE, TokenGraph, feeds
from export.proof.graphs import Arrays, GraphSpec
from export.proof.parity import Runner
from serving.bundle.manifest import Quality
from serving.bundle.records import Port
from serving.families.music import TEMPERATURE, TOP_P, GraphPredict, MusicProcessing
from serving.music.composer import Composer, emptied
from serving.music.drawing import Blanks, Forward
from serving.music.grid import BAR, STEPS_PER_BAR
from serving.music.piece import TEMPO, Piece
from serving.text.sampling_config import SamplingConfig
from zoo.metric import Metric
from zoo.music.batches import blank_windows
from zoo.music.evaluate import MusicEvaluateConfig, evaluate, predicted
from zoo.music.model import MusicTransformer
from zoo.music.pieces import Parts, read
from zoo.music.writer import composer
from zoo.recipe import Recipe

SAMPLES, SAMPLE_BARS = 2, 8
QUALITY_PIECES = 8
CALIBRATION_PIECES = 16


class MusicExporter(Exporter):
    """A trained network of music; see `export.families.exporter.Exporter`."""

    task = "four-part music"
    pipeline_tag = "text-to-audio"
    tags = ("music", "midi", "transformer", "chorales")
    metric = "nats_per_note"

    def __init__(self, run: Any):
        super().__init__(run)
        self.config = run.model.config

    @cached_property
    def graphs(self) -> list[GraphSpec]:
        return graphs(self.run.model)

    @property
    def processing(self) -> dict[str, Any]:
        config = self.config
        return MusicProcessing(
            lowest=config.lowest,
            highest=config.highest,
            context=config.context,
            order=config.order,
        ).model_dump()

    @property
    def notes(self) -> tuple[str, ...]:
        pitches, most = self.config.pitches, self.config.context
        tokens = (
            f"Tokens are notes, of soprano, alto, tenor and bass of one sixteenth after the other: "
            f"0 is silence, 1 to {pitches.blank - 1} are the pitches {pitches.lowest} to "
            f"{pitches.highest} of MIDI, and {pitches.blank} is the blank. `position_ids` begin "
            f"with a bar, and there are at most {most} notes."
        )
        if self.config.order == "any":
            return (tokens,)
        return (
            tokens,
            "A note is read at the position of the one after it, the blank at position 0.",
            "`total_sequence_length` is `past_sequence_length` and `sequence_length` together; "
            "`past_sequence_length` may be 0.",
        )

    def calibration(self, spec: GraphSpec) -> list[Arrays]:
        """Stretches of the validation part, read at once and written on from their middle."""
        pieces = self._parts["validation"][:CALIBRATION_PIECES]
        if self.config.order == "any":
            length = min(self.config.context, *(piece.size for piece in pieces))
            ids, _, mask, _ = blank_windows(
                [piece.reshape(-1)[:length].reshape(-1, 4) for piece in pieces],
                self.config.pitches,
                length,
                repeats=1,
            )
            places = np.broadcast_to(np.arange(length), ids.shape)
            arrays = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
            whole = {name: each.astype(np.int64) for name, each in arrays.items()}
            return [
                {name: each[row : row + 4] for name, each in whole.items()}
                for row in range(0, len(ids), 4)
            ]
        pitches = self.config.pitches
        length = min(self.config.context, *(piece.size for piece in pieces))
        rows = [[pitches.blank, *pitches.tokens(piece)][:length] for piece in pieces]
        ids, middle = np.array(rows), length // 2
        return [
            feeds(self.run.model, some, past)
            for some in np.array_split(ids, 8)
            if len(some)
            for past in (0, middle)
        ]

    def quality(self, runners: Mapping[str, Runner]) -> Quality:
        """Measure the surprise at a few pieces of the test part, the same for all variants."""
        predict = predicted(self._composer(runners), self.config)
        found = [predict(piece) for piece in self._parts["test"][:QUALITY_PIECES]]
        nats, weights = (np.concatenate([each[at] for each in found]) for at in (0, 2))
        return Quality(
            metric="nats_per_note",
            value=float(np.average(nats, weights=weights)),
            change=0.0,
            definition="mean -log p of every note of the first pieces of the test part, in "
            "nats/note",
            samples=len(nats),
        )

    def tolerance(self, precision: str, reference: Quality) -> float:
        """Return how many nats per note a variant may lose."""
        return 0.01

    def prove(self, runners: Mapping[str, Runner]) -> None:
        """Prove that drawing note by note gives the logits of reading all at once."""
        if self.config.order == "time":
            check_cached(graph_step(self.graphs[0], runners), self.config)

    @classmethod
    def evaluate(cls, recipe: Recipe, served: Any, settings: MusicEvaluateConfig) -> list[Metric]:
        """Measure the surprise at the test part, and the rules that are kept."""
        parts, _ = read(recipe.data, recipe.model.pitches)
        return list(evaluate(served, recipe.model, parts, settings))

    def samples(self, generator: Any) -> list[Piece]:
        """Draw a few pieces, of seeds 0 and up."""
        drawn = generator if isinstance(generator, Composer) else composer(generator)
        given = emptied(SAMPLE_BARS * STEPS_PER_BAR)
        settings = SamplingConfig(temperature=TEMPERATURE, top_p=TOP_P)
        return drawn.compose(given, TEMPO, SAMPLES, 0, settings)

    @property
    def limitations(self) -> list[str]:
        """What the card warns of."""
        return [
            "Knows the style of the music it was trained on, four voices and sixteenths; it knows "
            "no words, no instruments, no loudness, and not how long a piece should be.",
            "A held note and one that is struck again look the same to it.",
            f"Sees {self.config.bars} bars at once; what lies further back does not count.",
        ]

    @property
    def snippet(self) -> str:
        """Python that draws with ONNX Runtime alone."""
        return _snippet(self.config.order, self.config, self.config.pitches)

    def _composer(self, runners: Mapping[str, Runner]) -> Composer:
        """Return exported graphs as what composes."""
        spec, context = self.graphs[0], self.config.context
        if self.config.order == "time":
            return Composer(Forward(graph_step(spec, runners), context), self.config.pitches)
        predict = GraphPredict(outputs_of(runners[spec.role]))
        return Composer(Blanks(predict, context), self.config.pitches)

    @cached_property
    def _parts(self) -> Parts:
        parts, source = read(self.run.recipe.data, self.config.pitches)
        source.check(self.run.record, self.run.directory.path)
        return parts


def _snippet(order: str, config: Any, pitches: Any) -> str:
    """Return code for the card: the likeliest notes of a bar, or of a blank in one."""
    head = (
        "import numpy as np\nimport onnxruntime\n\n"
        'model = onnxruntime.InferenceSession("model.onnx")\n'
    )
    if order == "any":
        return head + (
            f"notes = np.full((1, 64), {pitches.blank})  # a bar in which nothing is known\n"
            "for place in range(64):\n"
            "    (logits,) = model.run(None, {\n"
            '        "input_ids": notes, "attention_mask": np.ones_like(notes),\n'
            '        "position_ids": np.arange(64)[None],\n'
            "    })\n"
            f"    notes[0, place] = logits[0, place, :{pitches.blank}].argmax()\n"
            f"print(notes.reshape(16, 4) + {pitches.lowest - 1})  # pitches of MIDI\n"
        )
    return head + (
        f"past = np.zeros((1, {config.key_value_heads}, 0, {config.head_size}), np.float32)\n"
        'caches = [each.name for each in model.get_inputs() if each.name.startswith("past")]\n'
        f"note, cache, notes = {pitches.blank}, dict.fromkeys(caches, past), []\n"
        "for place in range(64):  # a bar\n"
        "    logits, *present = model.run(None, {\n"
        '        "input_ids": np.array([[note]]), "position_ids": np.array([[place]]),\n'
        '        "attention_mask": np.ones((1, place + 1), np.int64), **cache,\n'
        "    })\n"
        f"    note = int(logits[0, -1, :{pitches.blank}].argmax())\n"
        "    cache = dict(zip(caches, present))\n"
        f"    notes.append(note + {pitches.lowest - 1})\n"
        "print(np.reshape(notes, (16, 4)))  # pitches of MIDI\n"
    )


# --- graphs ---


def graphs(model: MusicTransformer) -> list[GraphSpec]:
    """Describe what a network of music exports, with the names of text models."""
    if model.config.order == "time":
        return gpt_graphs.graphs(model)
    return [
        TokenGraph(
            role="model",
            signature="predict",
            call=partial(_call, model),
            inputs=(
                _port("input_ids", "notes, the last of all tokens where one is not known"),
                _port("attention_mask", "1 for each note, and 0 for padding behind them"),
                _port("position_ids", "place of each note in its piece, from the beginning of one"),
            ),
            outputs=(
                Port(
                    name="logits",
                    dtype="float32",
                    axes=["batch_size", SEQUENCE, model.config.vocabulary_size],
                    meaning="log-probability of the note at each place, up to a constant",
                ),
            ),
            sample=lambda count, seed: _draw(model, count, BAR, seed, padding=0),
            sensitivity=("input_ids", "logits"),
            trials=lambda: _trials(model),
            matrices=[each for each in model.variables if len(each.shape) == 2],
        )
    ]


def _call(
    model: MusicTransformer, input_ids: Any, attention_mask: Any, position_ids: Any
) -> Mapping[str, Any]:
    inputs = {
        "input_ids": input_ids,
        "attention_mask": attention_mask,
        "position_ids": position_ids,
    }
    return {"logits": model(inputs)}


def _draw(model: MusicTransformer, count: int, length: int, seed: int, padding: int) -> Arrays:
    """Draw notes, of which every row but the first may end in padding."""
    random = np.random.RandomState(seed)
    ids = random.randint(0, model.config.vocabulary_size, (count, length))
    none = random.randint(0, padding + 1, (count, 1))
    none[0] = 0
    places = np.broadcast_to(np.arange(length), ids.shape)
    mask = (places < length - none).astype(np.int64)
    return {
        "input_ids": ids.astype(np.int64),
        "attention_mask": mask,
        "position_ids": np.ascontiguousarray(places, np.int64),
    }


def _trials(model: MusicTransformer) -> Iterator[tuple[str, Arrays]]:
    """Yield batches of pieces of several lengths, up to a full window."""
    context = model.config.context
    for count, length in ((1, 1), (1, context), (3, min(100, context)), (33, BAR)):
        for seed in SEEDS:
            words = f"batch {count}, {length} notes, seed {seed}"
            yield words, _draw(model, count, length, seed, padding=length - 1)


def _port(name: str, meaning: str) -> Port:
    return Port(name=name, dtype="int64", axes=["batch_size", SEQUENCE], meaning=meaning)

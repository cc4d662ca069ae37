"""Music at run time: four voices that are made up, go on, are put under a melody, or fill gaps."""

from typing import Annotated, Any, Literal

import numpy as np
from pydantic import Field

from serving.bundle.records import Record
from serving.calls import call
from serving.families.gpt_graph import GraphRun, GraphStep, check_graph
from serving.families.model import Model, Timed, check_interface
from serving.music import keys
from serving.music.composer import Composer, emptied, lengthened, opened, under
from serving.music.drawing import Blanks, Drawer, Forward
from serving.music.grid import BAR, STEPS_PER_BAR, Pitches
from serving.music.piece import FASTEST, SLOWEST, TEMPO, Piece
from serving.parameters import Parameter, Seed
from serving.runtime.loaded import Loaded
from serving.text.sampling_config import SamplingConfig

MOST_BARS, MOST_PIECES = 256, 1000
TEMPERATURE, TOP_P = 0.85, 0.98  # without the unlikeliest notes, one of which spoils a bar

Count = Annotated[
    int,
    Parameter(
        "pieces, of this seed and those after it",
        minimum=1,
        maximum=MOST_PIECES,
        options=("-n", "--count"),
        multiplies="rows",
    ),
]
Bars = Annotated[
    int, Parameter("of four quarters", minimum=1, maximum=MOST_BARS, multiplies="tokens", example=8)
]
Key = Annotated[
    str | None, Parameter("whose chord it begins with, m for minor", choices=keys.KEYS, example="G")
]
Tempo = Annotated[float, Parameter("quarters a minute", minimum=SLOWEST, maximum=FASTEST)]
Temperature = Annotated[float, Parameter("0 takes the likeliest note", minimum=0, maximum=10)]
TopP = Annotated[
    float, Parameter("draw from the likeliest that reach this share", above=0, maximum=1)
]
Rules = Annotated[
    bool, Parameter("leave out notes that break rules of voice leading while others are left")
]
Passes = Annotated[
    int | None,
    Parameter(
        "how often the notes are drawn anew",
        minimum=1,
        maximum=10_000,
        applies=lambda processing: processing.order == "any",
        refusal="this model draws each note once, and takes no passes; leave them out",
    ),
]
Voices = Annotated[str, Parameter("voices to draw, as alto,tenor; all unless given")]
Bar = Annotated[int | None, Parameter("bar of those to draw", minimum=1)]


def _piece(what: str) -> Parameter:
    return Parameter(what, content="piece")


class MusicProcessing(Record):
    """What the tokens of a network mean, and in which order it draws them.

    Attributes:
        lowest, highest: pitches that there are tokens for, from 1 on; 0 is silence, and the last
            token the blank.
        context: most notes that it sees at once.
        order: `time`, or `any` for a network that sees all notes at once.
    """

    lowest: Annotated[int, Field(ge=0, le=127)]
    highest: Annotated[int, Field(ge=0, le=127)]
    context: Annotated[int, Field(ge=BAR, le=2**20, multiple_of=BAR)]
    order: Literal["time", "any"]
    noise: Literal["numpy.random.RandomState(seed).random_sample"] = (
        "numpy.random.RandomState(seed).random_sample"
    )

    @property
    def pitches(self) -> Pitches:
        """The pitches that there are tokens for."""
        return Pitches(self.lowest, self.highest)

    @property
    def vocabulary_size(self) -> int:
        """How many tokens there are."""
        return self.pitches.vocabulary_size


class Music(Model, Composer):
    """A network of four-part music loaded by `serving.load`.

    The same seed makes the same music as in Keras in float32, alone and beside other pieces. Wrong
    arguments of any method raise `UsageError`. A piece is a `serving.music.piece.Piece`.

    Attributes:
        last_seed: the seed of the last call, to get the same again.

    Example:
        >>> import serving
        >>> chorales = serving.load("chorales", device="cpu")
        >>> piece = chorales.generate(bars=2, key="G", seed=7)
        >>> piece.notes.shape, int(piece.notes[0, 3]) % 12
        ((32, 4), 7)
    """

    Processing = MusicProcessing

    def __init__(self, loaded: Loaded) -> None:
        Model.__init__(self, loaded)
        session, processing = loaded.sessions["model"], self.processing
        drawer: Drawer
        if processing.order == "time":
            check_graph(loaded.manifest, processing)
            step = GraphStep(loaded.manifest.interface["model"], session.run)
            drawer = Forward(step, processing.context)
        else:
            sequence: list[str | int] = ["batch_size", "sequence_length"]
            takes = dict.fromkeys(("input_ids", "attention_mask", "position_ids"), sequence)
            logits = {"logits": [*sequence, processing.vocabulary_size]}
            check_interface(loaded.manifest, {"model": (takes, logits)})
            drawer = Blanks(GraphPredict(session.run), processing.context)
        Composer.__init__(self, drawer, processing.pitches)

    @call(gives="piece")
    def generate(
        self,
        bars: Bars = 8,
        key: Key = None,
        n: Count = 1,
        seed: Seed = None,
        tempo: Tempo = TEMPO,
        temperature: Temperature = TEMPERATURE,
        top_p: TopP = TOP_P,
        rules: Rules = False,
        passes: Passes = None,
    ) -> Piece | list[Piece]:
        """Make up music in four voices.

        Args:
            bars: how long it is.
            key: whose chord it begins with, such as `G` or `Em`; any if None.
            n: how many pieces, of the seeds `seed`, `seed + 1` and so on.
            seed: a fresh one if None.
            tempo: of the result.
            temperature, top_p: how notes are drawn, see `SamplingConfig`.
            rules: see `serving.music.rules`.
            passes: of a network that draws in any order, see `serving.music.drawing.Blanks`.

        Returns:
            A piece; a list of them for several.
        """
        given = emptied(bars * STEPS_PER_BAR)
        return self._drawn(given, tempo, n, seed, temperature, top_p, rules, passes, key)

    @call(gives="piece")
    def continue_from(
        self,
        piece: Annotated[Any, _piece("beginning that goes on")],
        bars: Bars = 8,
        n: Count = 1,
        seed: Seed = None,
        temperature: Temperature = TEMPERATURE,
        top_p: TopP = TOP_P,
        rules: Rules = False,
        passes: Passes = None,
    ) -> Piece | list[Piece]:
        """Go on from a beginning, which the result has before what is new."""
        known = self.known(piece, "the beginning")
        given = lengthened(known, bars)
        return self._drawn(given, known.tempo, n, seed, temperature, top_p, rules, passes)

    @call(gives="piece")
    def harmonise(
        self,
        melody: Annotated[Any, _piece("melody, of which the highest voice counts")],
        n: Count = 1,
        seed: Seed = None,
        temperature: Temperature = TEMPERATURE,
        top_p: TopP = TOP_P,
        rules: Rules = False,
        passes: Passes = None,
    ) -> Piece | list[Piece]:
        """Put three voices under a melody."""
        known = self.known(melody, "the melody")
        given = under(known)
        return self._drawn(given, known.tempo, n, seed, temperature, top_p, rules, passes)

    @call(gives="piece")
    def fill(
        self,
        piece: Annotated[Any, _piece("piece with gaps")],
        voices: Voices = "",
        first_bar: Bar = None,
        last_bar: Bar = None,
        n: Count = 1,
        seed: Seed = None,
        temperature: Temperature = TEMPERATURE,
        top_p: TopP = TOP_P,
        rules: Rules = False,
        passes: Passes = None,
    ) -> Piece | list[Piece]:
        """Draw voices or bars of a piece anew, or what is silent in it if neither is named."""
        known = self.known(piece, "the piece")
        given = opened(known, voices, first_bar, last_bar)
        return self._drawn(given, known.tempo, n, seed, temperature, top_p, rules, passes)

    def _drawn(
        self,
        given: np.ndarray,
        tempo: float,
        n: int,
        seed: int | None,
        temperature: float,
        top_p: float,
        rules: bool,
        passes: int | None,
        key: str | None = None,
    ) -> Piece | list[Piece]:
        settings = SamplingConfig(temperature=temperature, top_p=top_p)
        drawer = self.drawer if passes is None else self.drawer.with_passes(passes)
        pieces = self.compose(given, tempo, n, seed, settings, key=key, rules=rules, drawer=drawer)
        return pieces[0] if n == 1 else pieces

    def timed(self, batch: int) -> dict[str, Timed]:
        """Return `generate`: two bars of each of `batch` pieces."""
        return {"generate": Timed(lambda: self.generate(2, n=batch, seed=0), batch * 2 * BAR)}

    def smallest(self) -> object:
        return self.generate(1, seed=0)


class GraphPredict:
    """An exported graph that sees all notes at once as a `serving.music.drawing.Predict`.

    Args:
        run: takes the names of outputs and the inputs by name, and returns those outputs.
    """

    def __init__(self, run: GraphRun):
        self._run = run

    def __call__(
        self, input_ids: np.ndarray, attention_mask: np.ndarray, position_ids: np.ndarray
    ) -> np.ndarray:
        feeds = {
            "input_ids": input_ids,
            "attention_mask": attention_mask,
            "position_ids": position_ids,
        }
        return self._run(["logits"], feeds)[0]

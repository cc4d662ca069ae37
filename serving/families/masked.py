"""A masked language model at run time: gaps of texts filled, texts scored, texts as vectors."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

import numpy as np

from serving.bundle.manifest import Manifest
from serving.bundle.records import BundleError, Record
from serving.calls import call
from serving.families.model import Axes, Model, Timed, axes_of, check_interface
from serving.families.text_processing import REMEDY, Id, Size, read_tokenizer
from serving.parameters import Parameter
from serving.runtime.loaded import Loaded
from serving.runtime.session import Session
from serving.text.masked.filler import MASK, Filling, TextFiller
from serving.text.scoring import Score

GRAPH, LOGITS, STATES = "model", "logits", "last_hidden_state"
GAPS = Parameter(
    f"with {MASK} for each gap",
    content="text",
    words=True,
    example=f"To be or not to {MASK}",
)
TEXT = Parameter("to look at as a whole", content="text", words=True, example="To be or not to be")
TOP_K = Parameter(
    "fillings, likeliest first",
    minimum=1,
    maximum=lambda processing: processing.vocabulary_size,
    multiplies="rows",
)


class MaskedProcessing(Record):
    """How texts enter and leave the graph.

    Attributes:
        vocabulary_size: of the logits.
        context: most tokens of a text, with those that are put around it.
        mask_token: which stands for a gap.
    """

    vocabulary_size: Size
    context: Size
    mask_token: Id

    # The tokenizer is the zoo's: it has as many tokens as the model, and its own ends.
    tokens: ClassVar[int | None] = None
    begin_tokens: ClassVar[list[int] | None] = None
    end_tokens: ClassVar[list[int] | None] = None


class MaskedLanguageModel(Model, TextFiller):
    """A masked language model loaded by `serving.load`.

    A text gives the same alone and in a batch, and as in Keras in float32. Wrong arguments of any
    method raise `UsageError`.

    Attributes:
        tokenizer, context: the model's, and how many tokens it takes.

    Example:
        >>> import serving
        >>> model = serving.load("masked-shakespeare")  # doctest: +SKIP
        >>> model.fill("To be or not to [MASK]", top_k=1)[0].text  # doctest: +SKIP
        'To be or not to be'
    """

    Processing = MaskedProcessing

    def __init__(self, loaded: Loaded) -> None:
        Model.__init__(self, loaded)
        processing: MaskedProcessing = self.processing
        _check_graph(loaded.manifest, processing.vocabulary_size)
        TextFiller.__init__(
            self,
            GraphNetwork(loaded.sessions[GRAPH]),
            read_tokenizer(loaded.manifest, loaded.assets, processing),
            processing.context,
            processing.mask_token,
        )

    @classmethod
    def check_assets(cls, manifest: Manifest, assets: dict[str, bytes]) -> str:
        processing: MaskedProcessing = cls.processing_of(manifest)
        tokenizer = read_tokenizer(manifest, assets, processing)
        if processing.mask_token >= tokenizer.size or tokenizer.bytes_of(processing.mask_token):
            raise BundleError(
                f"token {processing.mask_token} of {manifest.name} is no special one, to stand "
                f"for gaps; {REMEDY}"
            )
        return f"tokenizer: {tokenizer.size} tokens, as many as the model has"

    @call(gives="fillings")
    def fill(self, text: Annotated[str, GAPS], top_k: Annotated[int, TOP_K] = 5) -> list[Filling]:
        """Say what may stand in the gaps of a text.

        Arguments and result are those of `TextFiller.fill`.
        """
        return TextFiller.fill(self, text, top_k)

    @call(gives="numbers")
    def score(self, text: Annotated[str, TEXT]) -> Score:
        """Say how likely each token of a text is given all others.

        Arguments and result are those of `TextFiller.score`.
        """
        return TextFiller.score(self, text)

    @call(gives="array")
    def embed(
        self,
        text: Annotated[str | Sequence[str], replace(TEXT, each=True)],
        normalised: Annotated[bool, Parameter("give vectors of length 1")] = False,
    ) -> np.ndarray:
        """Turn texts into vectors.

        Arguments and result are those of `TextFiller.embed`.
        """
        return TextFiller.embed(self, text, normalised)

    def timed(self, batch: int) -> dict[str, Timed]:
        """Return `generate`: what stands at each place of texts as long as the model takes."""
        shape = (batch, self.context)
        ids = np.random.default_rng(0).integers(0, self.tokenizer.size, shape)
        mask = np.ones_like(ids)
        return {"generate": Timed(lambda: self.network.predict(ids, mask), ids.size)}

    def smallest(self) -> object:
        return self.fill(MASK, 1)


class GraphNetwork:
    """An exported graph as a `serving.text.masked.filler.Network`."""

    def __init__(self, session: Session):
        self._run = session.run

    def predict(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        return self._output(LOGITS, input_ids, attention_mask)

    def states(self, input_ids: np.ndarray, attention_mask: np.ndarray) -> np.ndarray:
        return self._output(STATES, input_ids, attention_mask)

    def _output(self, name: str, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        (found,) = self._run([name], {"input_ids": ids, "attention_mask": mask})
        return np.asarray(found)


def _check_graph(manifest: Manifest, vocabulary_size: int) -> None:
    """Refuse a bundle whose graph is not of the sizes that it names."""
    text: list[str | int] = ["batch_size", "sequence_length"]
    found = manifest.interface.get(GRAPH)
    width = axes_of(found)[1].get(STATES, [None])[-1] if found else None
    takes: Axes = {"input_ids": text, "attention_mask": text}
    returns: Axes = {
        LOGITS: [*text, vocabulary_size],
        STATES: [*text, width if isinstance(width, int) else "width"],
    }
    check_interface(manifest, {GRAPH: (takes, returns)})

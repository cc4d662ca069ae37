"""A translator at run time: text in one language in, text in another out."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated, ClassVar

from pydantic import Field

from serving.bundle.manifest import Manifest
from serving.bundle.records import Record
from serving.calls import Call, call
from serving.families.model import Model, Timed
from serving.families.text_processing import Id, Size, read_tokenizer
from serving.families.translation_graph import DECODER, ENCODER, GraphNetwork, check_graphs
from serving.parameters import Parameter
from serving.runtime.loaded import Loaded
from serving.text.scoring import Score
from serving.text.translation.translator import TextTranslator

Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]
TEXT = Parameter("to translate", content="text", each=True, words=True, example="A dog runs.")
TRANSLATION = Parameter("of it", content="text", words=True, example="Ein Hund rennt.")
TO = Parameter("language that is translated into; the first of the model's if none")
BEAMS = Parameter(
    "translations followed at once; 1 takes the likeliest token each time",
    minimum=1,
    multiplies="rows",
)
PENALTY = Parameter("power of the length that scores are divided by", minimum=0, maximum=10)
MOST = Parameter("tokens at most; as many as the model takes if none", minimum=1)

Text = Annotated[str | Sequence[str], TEXT]
To = Annotated[str | None, TO]


class TranslationProcessing(Record):
    """How texts enter and leave the graphs.

    Attributes:
        vocabulary_size: of the decoder's logits.
        context: most tokens of a source, and of a translation.
        begin_token: which a translation begins with, before its first.
        languages: that are translated into, and the token before a source that says so; None of a
            single language.
    """

    vocabulary_size: Size
    context: Size
    begin_token: Id
    languages: Annotated[dict[Language, Id | None], Field(min_length=1, max_length=64)]

    # The tokenizer is the zoo's: it has as many tokens as the model, and its own ends.
    tokens: ClassVar[int | None] = None
    begin_tokens: ClassVar[list[int] | None] = None
    end_tokens: ClassVar[list[int] | None] = None


class Translator(Model, TextTranslator):
    """A translator loaded by `serving.load`.

    A text is translated alike alone and in a batch, and as Keras does in float32. Wrong arguments
    of any method raise `UsageError`.

    Attributes:
        tokenizer, context: the model's, and how many tokens of a text it takes.
        languages: that it translates into.

    Example:
        >>> import serving
        >>> model = serving.load("translation-multi30k")  # doctest: +SKIP
        >>> model.translate("A dog runs.")  # doctest: +SKIP
        'Ein Hund rennt.'
    """

    Processing = TranslationProcessing

    def __init__(self, loaded: Loaded) -> None:
        Model.__init__(self, loaded)
        processing: TranslationProcessing = self.processing
        check_graphs(loaded.manifest, processing.vocabulary_size)
        runs = {role: loaded.sessions[role].run for role in (ENCODER, DECODER)}
        TextTranslator.__init__(
            self,
            GraphNetwork(loaded.manifest.interface, runs),
            read_tokenizer(loaded.manifest, loaded.assets, processing),
            processing.context,
            processing.begin_token,
            processing.languages,
        )

    @classmethod
    def declared(cls, manifest: Manifest) -> dict[str, Call]:
        calls = super().declared(manifest)
        languages = cls.processing_of(manifest).languages
        return {name: each.with_choices("to", languages) for name, each in calls.items()}

    @classmethod
    def check_assets(cls, manifest: Manifest, assets: dict[str, bytes]) -> str:
        tokenizer = read_tokenizer(manifest, assets, cls.processing_of(manifest))
        return f"tokenizer: {tokenizer.size} tokens, as many as the model has"

    @call(gives="text")
    def translate(
        self,
        text: Text,
        to: To = None,
        beams: Annotated[int, BEAMS] = 5,
        length_penalty: Annotated[float, PENALTY] = 1.0,
        max_new_tokens: Annotated[int | None, MOST] = None,
    ) -> str | list[str]:
        """Translate a text, or each of several.

        Arguments and result are those of `TextTranslator.translate`.
        """
        return TextTranslator.translate(self, text, to, beams, length_penalty, max_new_tokens)

    @call(gives="numbers")
    def score(
        self,
        text: Annotated[str, replace(TEXT, each=False)],
        translation: Annotated[str, TRANSLATION],
        to: To = None,
    ) -> Score:
        """Say how likely a translation of a text is, its end included.

        Arguments and result are those of `TextTranslator.score`.
        """
        return TextTranslator.score(self, text, translation, to)

    def timed(self, batch: int) -> dict[str, Timed]:
        """Return `generate`: translations of a text of a few words, token by token."""
        text = self.tokenizer.decode(range(self.tokenizer.size - 12, self.tokenizer.size))
        texts = [text] * batch
        written = self.complete(texts, beams=1, max_new_tokens=self.context)
        tokens = sum(len(each.ids) for each in written)
        return {"generate": Timed(lambda: self.translate(texts, beams=1), tokens)}

    def smallest(self) -> object:
        return self.translate("a", beams=1, max_new_tokens=1)

"""Pairs of texts that say the same in two languages: a data set, or two files of aligned lines."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, NamedTuple

from pydantic import Field

from serving.errors import UsageError
from zoo.config import Config
from zoo.data import fingerprint, number_words, sources
from zoo.data.corpus import decoded
from zoo.data.files import own_path
from zoo.data.sources import SourceInfo

PARTS = ("train", "validation", "test")
NUMBERS = "number_words"
_NUMBERS = {"train": 20_000, "validation": 500, "test": 1000}
Share = Annotated[float, Field(gt=0, lt=1)]
Language = Annotated[str, Field(pattern=r"^[a-z]{2,3}$")]


class ParallelConfig(Config):
    """Where pairs of texts come from.

    Args:
        name: `multi30k` or another data set of TensorFlow Datasets whose examples are two texts,
            named as the languages; `number_words`, which needs no download; or files of your own,
            a line for a text: `./corpus/train` stands for `./corpus/train.en` and
            `./corpus/train.de`.
        languages: of the pairs, that of the sources first.
        validation_name, test_name: of your own files, those to choose the best weights by, and
            those that are reported; the last lines of `name` unless given.
        validation, test: of your own files without such names, the share of lines for each.
        limit: train on this many pairs only.

    Example:
        >>> ParallelConfig(name="number_words").languages
        ('en', 'de')
    """

    name: str
    languages: tuple[Language, Language] = ("en", "de")
    validation_name: str | None = None
    test_name: str | None = None
    validation: Share = 0.02
    test: Share = 0.02
    limit: Annotated[int, Field(ge=1)] | None = None

    def places(self) -> dict[str, Path]:
        """Return where files lie, without the ends of their names."""
        named = {key: getattr(self, key) for key in ("name", "validation_name", "test_name")}
        found = {key: own_path(name) for key, name in named.items() if name}
        return {key: path.absolute() for key, path in found.items() if path}


class Pairs(NamedTuple):
    """Texts in two languages, as many of each.

    Attributes:
        sources, targets: the texts.
    """

    sources: list[str]
    targets: list[str]

    @property
    def turned(self) -> "Pairs":
        """The same the other way round."""
        return Pairs(self.targets, self.sources)


def read(config: ParallelConfig) -> tuple[dict[str, Pairs], SourceInfo]:
    """Read the pairs of each of `PARTS`.

    Returns:
        Pairs of which neither text is empty, and what is known about them.

    Raises:
        UsageError: there are none, a file is missing, or two files are not of as many lines.

    Example:
        >>> parts, source = read(ParallelConfig(name="number_words"))
        >>> source.splits["train"] == len(parts["train"].sources)
        True
    """
    if config.name == NUMBERS:
        found, source = _numbers(config)
    elif own_path(config.name):
        found, source = _of_files(config)
    else:
        found, source = _public(config)
    for part, pairs in found.items():
        if not pairs.sources:
            raise UsageError(f"'{config.name}' has no pairs of texts for {part}; bring more lines")
    train = found["train"]
    cut = Pairs(train.sources[: config.limit], train.targets[: config.limit])
    return found | {"train": cut}, source


def _numbers(config: ParallelConfig) -> tuple[dict[str, Pairs], SourceInfo]:
    if {*config.languages} != {"en", "de"}:
        raise UsageError(f"'{NUMBERS}' are in en and de, and not in {', '.join(config.languages)}")
    found = {}
    known: set[str] = set()
    for seed, part in enumerate(reversed(PARTS)):  # what is held out is not trained on
        pairs = dict.fromkeys(number_words.pairs(_NUMBERS[part], seed))
        fresh = [pair for pair in pairs if pair[0] not in known]
        known |= {english for english, _ in fresh}
        found[part] = Pairs(*map(list, zip(*fresh, strict=True)))
    if config.languages[0] == "de":
        found = {part: pairs.turned for part, pairs in found.items()}
    return {part: found[part] for part in PARTS}, _described(NUMBERS, "1", "CC0-1.0", found)


def _of_files(config: ParallelConfig) -> tuple[dict[str, Pairs], SourceInfo]:
    """Read files of aligned lines; what is not named apart is the end of those that are."""
    rest, found = _aligned(config.name, config.languages), {}
    for part in ("test", "validation"):
        name = getattr(config, f"{part}_name")
        if name:
            found[part] = _aligned(name, config.languages)
            continue
        count = max(1, round(getattr(config, part) * len(rest.sources)))
        found[part] = Pairs(rest.sources[-count:], rest.targets[-count:])
        rest = Pairs(rest.sources[:-count], rest.targets[:-count])
    parts = {"train": rest, "validation": found["validation"], "test": found["test"]}
    source = _described(config.name, "", "not stated", parts)
    return parts, source


def _aligned(name: str, languages: Sequence[str]) -> Pairs:
    """Read two files, and leave out pairs of which a text is empty."""
    prefix = own_path(name) or Path(name)
    paths = [prefix.with_name(f"{prefix.name}.{language}") for language in languages]
    for path in paths:
        if not path.is_file():
            raise UsageError(
                f"there is no file {path}; expected a text a line in each of "
                f"{paths[0].name} and {paths[1].name}"
            )
    texts = [[line.strip() for line in _lines(decoded(path))] for path in paths]
    if len(texts[0]) != len(texts[1]):
        raise UsageError(
            f"{paths[0]} has {len(texts[0])} lines and {paths[1].name} {len(texts[1])}; expected "
            "as many, line by line the same in both languages"
        )
    kept = [pair for pair in zip(*texts, strict=True) if all(pair)]
    return Pairs([source for source, _ in kept], [target for _, target in kept])


def _lines(text: str) -> list[str]:
    """Return the lines of a text; only a line end ends one, whatever else looks like it."""
    return text.removesuffix("\n").split("\n") if text else []


def _public(config: ParallelConfig) -> tuple[dict[str, Pairs], SourceInfo]:
    builder = sources.prepare(config.name)
    features, splits = builder.info.features, builder.info.splits
    missing = [each for each in config.languages if each not in features]
    if missing or not {*PARTS} <= {*splits}:
        raise UsageError(
            f"data set '{config.name}' has {', '.join(features)} in {', '.join(splits)}; expected "
            f"texts '{config.languages[0]}' and '{config.languages[1]}' in {', '.join(PARTS)}"
        )
    found = {}
    for part in PARTS:
        examples = builder.as_dataset(split=part).as_numpy_iterator()
        pairs = [[row[each].decode().strip() for each in config.languages] for row in examples]
        kept = [pair for pair in pairs if all(pair)]
        found[part] = Pairs([source for source, _ in kept], [target for _, target in kept])
    return found, sources.describe(builder)


def _described(name: str, version: str, license: str, parts: dict[str, Pairs]) -> SourceInfo:
    texts = (text for part in PARTS for side in parts[part] for text in side)
    sha256 = fingerprint.of_documents(texts)
    return SourceInfo(
        name=name,
        version=version or f"sha256:{sha256[:16]}",
        kind="pairs",
        license=license,
        splits={part: len(parts[part].sources) for part in PARTS},
        fingerprint=sha256,
    )

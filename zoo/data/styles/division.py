"""How a text is divided into styles: by who speaks, by verse and prose, or by its folders."""

from collections.abc import Callable, Iterator, Sequence

from serving.errors import UsageError
from zoo.data import corpus
from zoo.data.files import listed
from zoo.data.styles.codes import LONGEST, is_name

Divided = dict[str | None, list[str]]  # documents by style; None for those that have none
REGISTERS = (VERSE, PROSE) = ("verse", "prose")
_GAP = "\n\n"  # between the speeches of a play
_MOST = 256  # styles of a model


def divide(kind: str | None, name: str, documents: Sequence[str], count: int | None) -> Divided:
    """Return the documents of each style, and of none, in a fixed order.

    Args:
        kind: one of `KINDS`; None for no styles.
        name: of the corpus, as `zoo.data.text.TextConfig` has it.
        documents: of the corpus.
        count: `speakers` only: so many of those who say most.

    Raises:
        UsageError: the corpus has no such styles, or too few or too many.
    """
    if kind is None:
        return {None: list(documents)}
    divided = KINDS[kind](name, documents, count)
    found = [style for style in divided if style is not None]
    if not 2 <= len(found) <= _MOST:
        raise UsageError(
            f"'{name}' has {len(found)} styles by {kind}; expected 2 to {_MOST}; "
            "leave data.styles out, or bring a text that has"
        )
    return divided


def _by_speakers(name: str, documents: Sequence[str], count: int | None) -> Divided:
    """Part plays, where a line `NAME:` precedes each speech; a style's document is all of its own.

    The names themselves are left out: a model that is told who speaks need not write it.
    """
    speeches: dict[str, list[str]] = {}
    for document in documents:
        for speaker, said in _speeches(document):
            speeches.setdefault(speaker, []).append(said)
    spoken = {speaker: _GAP.join(each) + _GAP for speaker, each in speeches.items()}
    named = sorted((each for each in spoken if each), key=lambda each: -len(spoken[each]))[:count]
    others = "".join(text for speaker, text in spoken.items() if speaker not in named)
    return {each: [spoken[each]] for each in named} | ({None: [others]} if others else {})


def _by_registers(name: str, documents: Sequence[str], count: int | None) -> Divided:
    """Part plays into `verse`, whose lines all begin with a capital, and `prose`, of which few do.

    What is neither, as a speech of one line, has no style. Names of speakers are left out.
    """
    speeches: dict[str | None, list[str]] = {}
    for document in documents:
        for _, said in _speeches(document):
            speeches.setdefault(_register(said), []).append(said)
    order = (*REGISTERS, None)
    return {each: [_GAP.join(speeches[each]) + _GAP] for each in order if each in speeches}


def _register(speech: str) -> str | None:
    """Say whether a speech is verse or prose, if it can be told.

    Example:
        >>> _register("What say you?\\nNo"), _register("Good sir, by\\nmy troth"), _register("Ay.")
        ('verse', 'prose', None)
    """
    later = speech.strip().split("\n")[1:]  # the first line begins with a capital anyway
    small = sum(line[:1].islower() for line in later)
    if later and not small:
        return VERSE
    return PROSE if 2 * small >= len(later) > 0 else None


def _speeches(document: str) -> Iterator[tuple[str, str]]:
    """Yield who speaks, "" before anybody does, and what is said, for each speech of a play."""
    speaker = ""
    for paragraph in document.split(_GAP):
        head, _, said = paragraph.partition("\n")
        if head.endswith(":") and is_name(head[:-1]):
            speaker = head[:-1]
        else:
            said = paragraph
        yield speaker, said


def _by_folders(name: str, documents: Sequence[str], count: int | None) -> Divided:
    """Part a folder of texts by the first folder below it; texts beside those have no style."""
    root = corpus.own_text(name)
    if root is None or not root.is_dir():
        raise UsageError(
            f"'{name}' is no folder; data.styles 'folders' takes one with a folder for each style"
        )
    divided: Divided = {}
    for file in listed(root, (corpus.SUFFIX,)):
        style = file.partition("/")[0] if "/" in file else None
        if style is not None and not is_name(style):
            raise UsageError(
                f"the folder {style!a} of {root} cannot name a style; expected words of letters "
                f"and digits, {LONGEST} characters at most; rename it"
            )
        text = corpus.decoded(root / file)
        divided.setdefault(style, []).extend([text] if text else [])
    return {style: documents for style, documents in divided.items() if documents}


KINDS: dict[str, Callable[[str, Sequence[str], int | None], Divided]] = {
    "speakers": _by_speakers,
    "registers": _by_registers,
    "folders": _by_folders,
}

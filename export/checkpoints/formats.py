"""The formats of Transformers: GGUF in several encodings, and safetensors."""

from functools import partial
from pathlib import Path

from export.checkpoints import gguf, gguf_tokenizer, safetensors
from export.checkpoints.classes import why_not
from export.checkpoints.format import Format
from export.run import Run
from zoo.data import tokenizers
from zoo.data.given import Given

SPECIAL = {"bos": tokenizers.BOS, "eos": tokenizers.EOS, "pad": tokenizers.PAD}
GGUF = {"gguf": "F32", "gguf-q8_0": "Q8_0", "gguf-q4_0": "Q4_0"}


def formats(run: Run, tokenizer: bytes, known: Given | None = None) -> list[Format]:
    """Return the formats of a run, with what speaks against each.

    Args:
        run: of a Transformer.
        tokenizer: the content of its `tokenizer.json`.
        known: of an imported model, what it has kept of its source.
    """
    config = run.model.config
    refusal = gguf.why_not(config) or gguf_tokenizer.why_not(tokenizer)
    return [
        *(
            Format(name, partial(_write_gguf, run, tokenizer, known, encoding), "gguf", refusal)
            for name, encoding in GGUF.items()
        ),
        Format(
            "safetensors",
            lambda directory, name: safetensors.write(run.model, directory),
            "safetensors",
            why_not(config),
        ),
    ]


def _special(known: Given | None) -> dict[str, int]:
    """Return the tokens with a meaning; of several that end a text the first."""
    if known is None:
        return SPECIAL
    ids = {what: known.ids(f"{what}_token_id") for what in SPECIAL}
    return {what: found[0] for what, found in ids.items() if found}


def _write_gguf(
    run: Run, tokenizer: bytes, known: Given | None, encoding: str, directory: Path, name: str
) -> None:
    """Write a file as others name theirs: `NAME-Q8_0.gguf`."""
    template = None if known is None else known.template
    gguf.write(
        run.model,
        directory / f"{name}-{encoding}.gguf",
        gguf.ENCODINGS[encoding],
        gguf.About(name, run.recipe.summary, run.license, template),
        gguf_tokenizer.vocabulary_of(tokenizer),
        _special(known),
    )

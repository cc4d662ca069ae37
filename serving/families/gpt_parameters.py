"""What the calls of a Transformer take: parameters that several of them share."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Annotated

from serving.parameters import SEED, Parameter
from serving.text.decoding import OVERFLOW

PROMPT = Parameter(
    "what to write on from; a new line if none",
    content="text",
    options=("--prompt",),
    each=True,
    example="The ",
)
MESSAGES = Parameter(
    "what was said so far", kind="messages", example=[{"role": "user", "content": "Hello"}]
)
Prompt = Annotated[str | Sequence[str], PROMPT]
NewTokens = Annotated[int, Parameter("tokens at most", minimum=1, multiplies="tokens")]
TextCount = Annotated[
    int,
    Parameter(
        "texts, of this seed and those after it",
        minimum=1,
        options=("-n", "--count"),
        multiplies="rows",
    ),
]
Seeds = Annotated[int | None, replace(SEED, each=True)]
Stop = Annotated[str | Sequence[str], Parameter("ends the text, and is left out", each=True)]
Overflow = Annotated[str, Parameter("of texts longer than the window", choices=OVERFLOW)]
Guesses = Annotated[int, Parameter("tokens guessed ahead from what was said before", minimum=0)]
Penalty = Parameter("power of the length that scores are divided by", minimum=0, maximum=10)
ADAPTER = Parameter(
    "changes the model for this call; a folder that `genzoo export RUN --adapter` made",
    folders="adapters",
    refusal="this model has no variant that takes adapters; export it with --variants fused-lora",
)
AdapterName = Annotated[str | None, ADAPTER]
STYLE = Parameter(
    "what it is written in, told by a token before it; in none if none is given",
    applies=lambda model: bool(model.styles),
    example=lambda model: next(iter(model.styles)),
    refusal="this model has no styles; leave style out",
)
Style = Annotated[str | None, STYLE]
Styles = Annotated[str | Sequence[str | None] | None, replace(STYLE, each=True)]
BEAMS = Parameter("continuations followed at once", minimum=1, multiplies="rows")
Stride = Parameter(
    "tokens by which the window moves on", minimum=1, maximum=lambda model: model.context
)

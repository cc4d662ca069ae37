"""What it costs that a text follows a JSON schema: `python -m tests.bench.constraints`.

The same model writes objects of 30 fields, and as many tokens of free text; both take turns, round
by round, and the ratio of each round is taken, seconds a token. At 1.00 the schema costs nothing.
`gpt-python-topics` is measured as it is. With `--gguf FILE`, so is a network of the sizes in that
file, with random weights in 4 bits and the tokens of the file: how fast it is does not depend on
what it writes. The mask is what the library is asked for before each draw.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import serving
from serving.catalogue import MODELS
from serving.text.constraints import Grammars
from serving.text.sampling_config import SamplingConfig
from serving.text.text import TextModel
from serving.text.tokenizer import SPECIAL, Tokenizer
from tests.bench import report
from tests.bench.texts import VARIANTS, Case, Shape
from tests.bench.turns import ratios, take_turns

KINDS = [
    {"type": "string", "maxLength": 20},
    {"type": "integer", "minimum": 0, "maximum": 1000},
    {"type": "boolean"},
    {"enum": ["red", "green", "blue"]},
    {"type": "array", "items": {"type": "integer", "minimum": 0, "maximum": 99}, "maxItems": 3},
]
FIELDS = {f"field_{at}": KINDS[at % len(KINDS)] for at in range(30)}
SCHEMA = {
    "type": "object",
    "properties": FIELDS,
    "required": [*FIELDS],
    "additionalProperties": False,
}
SAMPLINGS = {
    "greedy": {"temperature": 0},
    "temperature 0.8, top_k 40": {"temperature": 0.8, "top_k": 40},
    "temperature 1": {},
}
MOST = 900  # tokens of an object; those with longer numbers or strings have fewer fields
BITS, CONTEXT = 4, 1024


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    report.begin([], arguments)
    rows = []
    with report.files(arguments) as place:
        for threads in arguments.threads:
            folder = MODELS / "gpt-python-topics"
            known = serving.load(folder, device="cpu", threads=threads)
            rows += measure("gpt-python-topics", known, threads, arguments.rounds)
            if arguments.gguf:
                large = _of_sizes(arguments.gguf, place / "random", threads)
                rows += measure(f"sizes of {arguments.gguf.name}", large, threads, arguments.rounds)
    report.finish("tests.bench.constraints", rows, [], arguments)


def measure(name: str, model: TextModel, threads: int, rounds: int) -> list[dict[str, Any]]:
    """Print and return what the schema costs for each way to draw.

    Args:
        name: of the model.
        model: what writes.
        threads: of the model.
        rounds: how often each takes its turn.
    """
    rows = []
    print(f"\n{name}, {model.tokenizer.size:,} tokens, threads {threads}")
    for way, sampling in SAMPLINGS.items():
        [written] = model.complete("a", MOST, seed=0, json_schema=SCHEMA, **sampling)
        count = len(written.ids)
        ways = {
            "free": lambda s=sampling, n=count: _seconds_a_token(model, n, s),
            "schema": lambda s=sampling, n=count: _seconds_a_token(model, n, s, json_schema=SCHEMA),
        }
        take_turns(ways, 1)
        seconds = take_turns(ways, rounds)
        row = {"model": name, "threads": threads, "sampling": way, "tokens": count}
        row |= ratios(seconds["free"], seconds["schema"])
        row |= {f"{key}_microseconds": 1e6 * statistics.median(seconds[key]) for key in seconds}
        row |= mask_costs(model.tokenizer, written.ids)
        print(
            f"{way:<26} {count} tokens, {row['free_microseconds']:.0f} us a token free and "
            f"{row['schema_microseconds']:.0f} with the schema: {row['ratio']:.3f} "
            f"({row['lowest']:.3f}..{row['highest']:.3f}); mask {row['mask_microseconds']:.0f} us, "
            f"at most {row['highest_mask_microseconds']:.0f}; ready in "
            f"{row['ready_milliseconds']:.1f} ms",
            flush=True,
        )
        rows.append(row)
    return rows


def mask_costs(tokenizer: Tokenizer, ids: Sequence[int]) -> dict[str, float]:
    """Return how long the masks of a text took, and the schema before its first."""
    start = time.perf_counter()
    constraint = Grammars(tokenizer).constraint(SamplingConfig(json_schema=SCHEMA))
    ready, seconds = time.perf_counter() - start, []
    for token in ids:
        start = time.perf_counter()
        constraint.allowed()
        constraint.take(token)
        seconds.append(time.perf_counter() - start)
    return {
        "ready_milliseconds": 1e3 * ready,
        "mask_microseconds": 1e6 * statistics.mean(seconds),
        "highest_mask_microseconds": 1e6 * max(seconds),
    }


def _seconds_a_token(model: TextModel, count: int, sampling: dict[str, Any], **more: Any) -> float:
    start = time.perf_counter()
    pieces = model.complete("a", count, seed=0, **sampling, **more)[0].ids
    return (time.perf_counter() - start) / len(pieces)


# --- a network of the sizes of a file ---


def _of_sizes(file: Path, folder: Path, threads: int) -> TextModel:
    """Return a network of random weights that has the sizes and the tokens of a GGUF file."""
    from gguf import GGUFReader

    fields = {name: field.contents() for name, field in GGUFReader(file).fields.items()
              if name.startswith(("llama.", "tokenizer.ggml.t", "tokenizer.ggml.m"))}  # fmt: skip
    shape = Shape(
        fields["llama.block_count"],
        fields["llama.embedding_length"],
        fields["llama.attention.head_count"],
        len(fields["tokenizer.ggml.tokens"]),
        CONTEXT,
    )
    case = Case(shape, BITS, folder / "bundle", "cpu", threads, MOST)
    report.prepare(folder, _write, case)
    made = serving.load(case.folder, device="cpu", variant=VARIANTS[BITS], threads=threads)
    tokenizer = Tokenizer(
        _tokenizer(fields["tokenizer.ggml.tokens"], fields["tokenizer.ggml.merges"])
    )
    return TextModel(made.step, tokenizer, made.context, made.new_memory, guesses=False)


def _write(folder: Path, case: Case) -> None:
    os.environ["PROTOCOL_BUFFERS_PYTHON_IMPLEMENTATION"] = "python"  # see `tests.bench.text`
    from zoo.startup import load_tensorflow

    load_tensorflow()
    from dataclasses import replace

    from tests.bench.steps import random_gpt

    random_gpt.write(replace(case, folder=folder / "bundle"))


def _tokenizer(tokens: Sequence[str], merges: Sequence[str]) -> bytes:
    """Return byte pairs as `tokenizer.json` has them, the first three tokens being the zoo's."""
    named = [*SPECIAL.values(), *tokens[len(SPECIAL) :]]
    in_bytes = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True}
    marks = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
    return json.dumps(
        {
            "version": "1.0",
            "added_tokens": [
                {"id": at, "content": name, "special": True, **marks}
                for at, name in enumerate(SPECIAL.values())
            ],
            "normalizer": None,
            "pre_tokenizer": in_bytes | {"use_regex": True},
            "post_processor": None,
            "decoder": in_bytes | {"use_regex": True},
            "model": {
                "type": "BPE",
                "vocab": {name: at for at, name in enumerate(named)},
                "merges": list(merges),
            },
        }
    ).encode()


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = report.options(__doc__, threads=(1,), rounds=9)
    parser.add_argument("--gguf", type=Path, help="whose sizes and tokens a large network has")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()

"""How well a model predicts, beside llama.cpp: `python -m tests.bench.yardsticks`.

A fixed text, the end of the documentation that comes with Python, is predicted in windows side by
side, and counted in nats a byte, which compares models whatever their tokens are; and where a file
of pairs of sentences is given, each is asked which is right, as BLiMP does. llama.cpp reads the
GGUF file that the model came from or was written to, by the model's own tokens, so that what
differs is how it rounds.
"""

import argparse
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np

import serving
from serving.errors import GenzooError
from serving.text.text import TextModel
from tests.bench import report
from tests.bench.machine import described
from zoo.data.corpus import read as corpus
from zoo.data.minimal_pairs import Pair, read
from zoo.evaluation.minimal_pairs import evaluate_pairs
from zoo.startup import load_tensorflow

TEXT = "python_topics"


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    load_tensorflow()  # which reads the text
    try:
        text = "".join(corpus(TEXT)[0])[-arguments.characters :]
        pairs = read(arguments.pairs, arguments.limit) if arguments.pairs else []
        rows = []
        for way, model in _ways(arguments):
            rows.append({"way": way} | measured(model, text, pairs))
            print("  ".join(_cells(rows[-1])), flush=True)
    except GenzooError as error:
        raise SystemExit(f"error: {error}") from None
    document = described(["numpy", "onnxruntime", "llama_cpp"]) | {"rows": rows}
    print(report.origin(document))
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def measured(model: TextModel, text: str, pairs: list[Pair]) -> dict[str, float]:
    """Return nats a byte and perplexity of a text, and the share of pairs, if there are any.

    Args:
        model: what predicts.
        text: the windows of which lie side by side.
        pairs: of sentences.
    """
    scored = model.score(text, stride=model.context)
    found = {"nats_per_byte": scored.nats_per_byte, "perplexity": scored.perplexity}
    if pairs:
        *_, whole = evaluate_pairs(model, pairs)
        found["pairs"] = whole.value
    return found


class LlamaStep:
    """A GGUF file in llama.cpp as a `serving.text.memory.Step` that reads on in the last text only.

    Args:
        file: GGUF.
        context: tokens of the longest text.
        threads: of llama.cpp.
        exact: whether attention and its cache are in float32; its own choices are float16.
    """

    def __init__(self, file: Path, context: int, threads: int, exact: bool):
        from tests.bench.peers.text_peers import llama_context

        self._context = llama_context(file, context, threads, exact)

    def __call__(
        self, input_ids: np.ndarray, attention_mask: Any, position_ids: np.ndarray, past: Any
    ) -> tuple[np.ndarray, list]:
        begin = 0 if past is None else int(position_ids[0, 0])
        return np.stack([self._read(row, begin) for row in input_ids.tolist()]), []

    def _read(self, ids: list[int], begin: int) -> np.ndarray:
        """Return the logits after each token of a text, `(T, V)`, which so many were read of."""
        import llama_cpp as library

        context, batch = self._context, library.llama_batch_init(len(ids), 0, 1)
        if not begin:
            library.llama_memory_clear(library.llama_get_memory(context), False)
        batch.n_tokens = len(ids)
        for place, token in enumerate(ids):
            batch.token[place], batch.pos[place] = token, begin + place
            batch.n_seq_id[place], batch.seq_id[place][0], batch.logits[place] = 1, 0, True
        try:
            if library.llama_decode(context, batch):
                raise RuntimeError("llama.cpp does not read on")
        finally:
            library.llama_batch_free(batch)
        vocabulary = library.llama_model_get_vocab(library.llama_get_model(context))
        shape = (len(ids), library.llama_vocab_n_tokens(vocabulary))
        return np.ctypeslib.as_array(library.llama_get_logits(context), shape).copy()


def _ways(arguments: argparse.Namespace) -> Iterator[tuple[str, TextModel]]:
    for variant in arguments.variants:
        model = serving.load(
            arguments.model, device="cpu", variant=variant, threads=arguments.threads
        )
        yield f"genzoo, {model.variant}", model
    if arguments.gguf:
        for exact in (True, False):
            step = LlamaStep(arguments.gguf, model.context, arguments.threads, exact)
            name = f"llama.cpp, {'float32' if exact else 'float16'} cache"
            yield name, TextModel(step, model.tokenizer, model.context)


def _cells(row: dict[str, Any]) -> Iterator[str]:
    yield f"{row['way']:<26}"
    yield f"{row['nats_per_byte']:.4f} nats/byte"
    yield f"perplexity {row['perplexity']:.3f}"
    if "pairs" in row:
        yield f"pairs {row['pairs']:.4f}"


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("model", metavar="NAME_OR_DIR", help="a language model")
    parser.add_argument("--variants", nargs="+", default=["auto"], help="of the model")
    parser.add_argument("--gguf", type=Path, help="the same weights, for llama.cpp")
    parser.add_argument("--characters", type=report.positive, default=20_000, help="of the text")
    parser.add_argument("--pairs", help="of sentences: blimp, or a file")
    parser.add_argument("--limit", type=report.positive, help="pairs of each test")
    parser.add_argument("--threads", type=report.positive, default=1)
    parser.add_argument("--json", type=Path, help="write all of it here as well")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()

"""How fast a Transformer writes, beside other ways to run it: `python -m tests.bench.text`.

Random weights of any shape are exported as they would be shipped. Every way writes the same number
of tokens from a prompt of one token, sampling included where it samples, and all take turns, round
by round; the ratio of each round is taken, ours over theirs, and the medians are printed. Above
1.00 ours is faster. `bare loop` runs the fused graph again and again on one token, and no more.
"""

import argparse
import json
import os
import statistics
import tempfile
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

import numpy as np
import onnx

from serving.bundle import Interface
from serving.gpt import GraphStep
from serving.memory import SharedMemory
from serving.session import Session
from tests.bench.turns import ratios, timed
from zoo.data import tokenizers
from zoo.language.text import TextModel
from zoo.language.tokenizer import Tokenizer
from zoo.transformer.config import GPTConfig

os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")
SAMPLED = {"temperature": 0.8, "top_k": 40}
GREEDY = {"temperature": 0}

Write = Callable[[], object]


def main() -> None:
    arguments = _arguments()
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        interface, config = _export(arguments, folder)
        rows = []
        for kind, settings in (("sampled", SAMPLED), ("greedy", GREEDY)):
            ways = dict(_ways(folder, interface, config, settings, arguments))
            rows += [{"kind": kind} | row for row in measure(ways, arguments)]
    print(f"{'':<10}{'way':<34}{'tokens/s':>10}{'ours/theirs':>13}  spread")
    for row in rows:
        spread = f"{row['lowest']:.2f}..{row['highest']:.2f}"
        print(
            f"{row['kind']:<10}{row['way']:<34}{row['tokens_per_second']:>10.0f}"
            f"{row['ratio']:>13.2f}  {spread}"
        )
    if arguments.json:
        arguments.json.write_text(json.dumps(rows, indent=2) + "\n")


def measure(ways: dict[str, Write], arguments: argparse.Namespace) -> Iterator[dict]:
    """Yield the tokens per second of each way, and the first one's over it, round by round."""
    for write in ways.values():  # the first allocates
        write()
    seconds = timed(ways, arguments.rounds)
    ours = next(iter(seconds.values()))
    for way, times in seconds.items():
        speed = arguments.tokens / statistics.median(times)
        yield {"way": way, "tokens_per_second": speed, **ratios(ours, times)}


def _export(arguments: argparse.Namespace, folder: Path) -> tuple[Interface, GPTConfig]:
    """Write the graphs, the tokenizer and the settings of a model of random weights."""
    from export import converter
    from export.fusion import fuse
    from export.gpt import genai_config
    from export.gpt_graphs import graphs, static
    from export.precision import quantize_weights
    from zoo.transformer import GPT

    config = GPTConfig(
        vocabulary_size=arguments.vocabulary,
        layers=arguments.layers,
        width=arguments.width,
        heads=arguments.heads,
        context=arguments.context,
    )
    model = GPT(config)
    [spec] = graphs(model)
    portable = converter.convert(spec)
    fused = fuse(portable, config)
    if arguments.bits < 32:
        fused = quantize_weights(fused, arguments.bits)
    onnx.save(portable, folder / "portable.onnx")
    onnx.save(fused, folder / "model.onnx")
    onnx.save(converter.convert(static(spec, model)), folder / "static.onnx")
    tokenizers.save(_tokenizer(config.vocabulary_size), folder, config.context)
    settings = genai_config(config)
    settings["search"]["past_present_share_buffer"] = True  # the fused graph can
    (folder / "genai_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return spec.interface, config


def _tokenizer(size: int):
    """Make a tokenizer of so many tokens, which are all pairs of bytes beyond the first 259."""
    import tokenizers as library

    letters = sorted(library.pre_tokenizers.ByteLevel.alphabet())
    names = [*tokenizers.SPECIAL, *letters, *(a + b for a in letters for b in letters)]
    vocabulary = {name: index for index, name in enumerate(names[:size])}
    return tokenizers._finished(library.models.BPE(vocab=vocabulary, merges=[]))


def _ways(
    folder: Path,
    interface: Interface,
    config: GPTConfig,
    settings: dict,
    arguments: argparse.Namespace,
) -> Iterator[tuple[str, Write]]:
    tokenizer = Tokenizer((folder / "tokenizer.json").read_bytes())
    never_end = {"logit_bias": {tokenizer.eos: -1e4}, "seed": 0}

    def session(file: str) -> Session:
        return Session((folder / file).read_bytes(), file, "cpu", arguments.threads)

    def model(file: str, shared: bool, axes: dict[str, int] | None = None) -> TextModel:
        loaded, taken = session(file), interface.fixed(axes or {})
        memory = partial(SharedMemory, loaded, taken, context=config.context)
        memory = memory if shared else None
        return TextModel(GraphStep(interface, loaded.run), tokenizer, config.context, memory)

    def written(text: TextModel) -> Write:
        return lambda: text.generate("!", arguments.tokens, **settings, **never_end)

    yield "genzoo, fused", written(model("model.onnx", shared=True))
    yield "bare loop", _bare_loop(session("model.onnx"), interface, config, arguments.tokens)
    if arguments.bits == 32:
        window = {"past": config.context, "total": config.context}
        yield "genzoo, static", written(model("static.onnx", shared=True, axes=window))
        yield "genzoo, portable", written(model("portable.onnx", shared=False))
    try:
        import onnxruntime_genai
    except ImportError:
        print("onnxruntime-genai is missing: pip install 'genzoo[dev]'")
        return
    yield "onnxruntime-genai, fused graph", _genai(onnxruntime_genai, folder, settings, arguments)


def _bare_loop(session: Session, interface: Interface, config: GPTConfig, count: int) -> Write:
    memory = SharedMemory(session, interface, 1, config.context)

    def write() -> None:
        memory.forget()
        memory.read([[3]])
        for _ in range(count - 1):
            memory._mask[0, memory._lengths[0]] = 1
            memory._step.run()
            memory._lengths[0] += 1

    return write


def _genai(library, folder: Path, settings: dict, arguments: argparse.Namespace) -> Write:
    config = library.Config(str(folder))
    config.overlay(
        json.dumps(
            {"model": {"decoder": {"session_options": {"intra_op_num_threads": arguments.threads}}}}
        )
    )
    model = library.Model(config)
    search = {"max_length": arguments.tokens + 1, "do_sample": settings["temperature"] > 0}
    if search["do_sample"]:
        search |= settings

    def write() -> None:
        parameters = library.GeneratorParams(model)
        parameters.set_search_options(min_length=arguments.tokens + 1, **search)
        generator = library.Generator(model, parameters)
        generator.append_tokens(np.array([[3]], np.int32))
        for _ in range(arguments.tokens):
            generator.generate_next_token()

    return write


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write the rows here as well")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--tokens", type=int, default=200, help="written in each round")
    parser.add_argument("--layers", type=int, default=4)
    parser.add_argument("--width", type=int, default=128)
    parser.add_argument("--heads", type=int, default=4)
    parser.add_argument("--vocabulary", type=int, default=512)
    parser.add_argument("--context", type=int, default=256)
    parser.add_argument("--bits", type=int, default=32, choices=(4, 8, 32), help="of the weights")
    parser.add_argument("--threads", type=int, default=1)
    return parser.parse_args()


if __name__ == "__main__":
    main()

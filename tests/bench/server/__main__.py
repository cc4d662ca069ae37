"""How fast models are over HTTP, beside the same models in Python: `python -m tests.bench.server`.

The server has a process of its own, and so has the model without one; they have as many threads,
which wait alike, and take turns, round by round: a ratio is that of one round. The client that asks
shares the processors with both. All of it takes some ten minutes; `--quick` shows that it runs.
"""

import argparse
import json
import statistics
from collections.abc import Iterator
from itertools import count
from pathlib import Path
from typing import Any

from serving.runtime.threads import default_threads
from serving.text.tokenizer import Tokenizer
from tests.bench import report
from tests.bench.machine import described, settle
from tests.bench.server import trials
from tests.bench.server.client import run
from tests.bench.server.process import Asked, offline, served
from tests.bench.turns import take_turns
from tests.bench.worker import Worker

IMAGES, TEXTS = "dcgan-mnist", "gpt-shakespeare"
CLIENTS, STREAMS = 64, 16
Row = dict[str, Any]


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    settle()
    rows: list[Row] = []
    for part in arguments.only or PARTS:
        for row in PARTS[part](arguments):
            print("{what}: {figure}; goal {goal}".format(**row), flush=True)
            rows.append(row)
    document = described({"httptools", "numpy", "onnxruntime", "starlette", "uvicorn", "uvloop"})
    document |= {"command": "python -m tests.bench.server", "rows": rows}
    if arguments.json:
        arguments.json.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(report.origin(document))


def _alone(arguments: argparse.Namespace, model: str, first: Asked) -> Worker:
    """Return the model without a server, whose threads are as many and wait alike."""
    return Worker(offline, model, arguments.threads, arguments.spinning, first=first)


def _options(arguments: argparse.Namespace) -> list[str]:
    """Return what the server is told of its threads."""
    spinning = "--spinning" if arguments.spinning else "--no-spinning"
    return ["--threads", str(arguments.threads), spinning]


def _row(what: str, figure: str, goal: str, **figures: Any) -> Row:
    return {"what": what, "figure": figure, "goal": goal} | figures


def _image_speed(arguments: argparse.Namespace) -> Iterator[Row]:
    """64 clients, each asking for one image at a time or for more, beside batches of 64."""
    given = Asked({"n": CLIENTS, "seed": 1}, seconds=arguments.seconds)
    alone = _alone(arguments, arguments.images, given)
    with served([arguments.images], *_options(arguments)) as server:
        kinds = [(trials.NPY, each, f"{each} a request, as arrays") for each in (64, 16, 1)]
        for accept, each, kind in [*kinds, ("image/png", 1, "1 a request, as PNG files")]:
            ways = {
                "offline": lambda: CLIENTS / statistics.fmean(alone(given)),
                "served": lambda ask=(arguments.seconds, accept, each): run(
                    trials.images(server, arguments.images, CLIENTS, *ask)
                ),
            }
            found = take_turns(ways, arguments.rounds)
            yield _ratio(f"images of {CLIENTS} clients, {kind}", "images", found, 0.8)
    alone.stop()


def _text_speed(arguments: argparse.Namespace) -> Iterator[Row]:
    """16 streams at once beside a batch of 16 texts."""
    bias = _unending(arguments.texts)
    tokens = arguments.tokens
    given = {"prompt": ["\n"] * STREAMS, "max_new_tokens": tokens, "logit_bias": bias}
    given["seed"] = list(range(STREAMS))
    alone = _alone(arguments, arguments.texts, Asked(given))
    with served([arguments.texts], *_options(arguments)) as server:
        ways = {
            "offline": lambda: STREAMS * tokens / statistics.fmean(alone(Asked(given))),
            "served": lambda: run(trials.texts(server, arguments.texts, STREAMS, tokens, bias)),
        }
        yield _ratio(f"tokens of {STREAMS} streams", "tokens",
                     take_turns(ways, arguments.rounds), 0.8)  # fmt: skip
    alone.stop()


def _overhead(arguments: argparse.Namespace) -> Iterator[Row]:
    """What HTTP adds to one request, and to one token of a stream, of who is alone."""
    times = 200 if not arguments.quick else 20
    one = Asked({"n": 1, "seed": 1}, times=times)
    alone = _alone(arguments, arguments.images, one)
    path = f"/v1/calls/{arguments.images}/generate?n=1&seed=1"
    with served([arguments.images], *_options(arguments)) as server:
        ways = {
            "offline": lambda: statistics.median(alone(one)),
            "served": lambda: run(trials.latency(server, path, times, trials.NPY)),
        }
        found = take_turns(ways, arguments.rounds)
    alone.stop()
    yield _added("a request of one client, added to the call", found, "1 ms")
    bias, tokens = _unending(arguments.texts), arguments.tokens
    text = {"prompt": "\n", "max_new_tokens": tokens, "logit_bias": bias, "seed": 1}
    stream = Asked(text, streams=True)
    alone = _alone(arguments, arguments.texts, stream)
    with served([arguments.texts], *_options(arguments)) as server:
        ways = {
            "offline": lambda: statistics.fmean(alone(stream)) / tokens,
            "served": lambda: 1 / run(trials.texts(server, arguments.texts, 1, tokens, bias)),
        }
        found = take_turns(ways, arguments.rounds)
    alone.stop()
    yield _added("a token of one stream, added to `stream`", found, "0.15 ms")


def _overload(arguments: argparse.Namespace) -> Iterator[Row]:
    """Twice as many requests as can be answered, then fewer again."""
    seconds = arguments.overload_seconds
    with served([arguments.images], *_options(arguments), *arguments.server) as server:
        capacity = run(
            trials.images(server, arguments.images, CLIENTS, min(5, seconds), trials.NPY)
        )
        paths = (f"/v1/calls/{arguments.images}/generate?n=1&seed={seed}" for seed in count())
        loads, memory = {}, {}
        for name, share in (("before", 0.8), ("overload", 2.0), ("after", 0.8)):
            loads[name] = trials.Load()
            run(loads[name].run(server, paths, share * capacity, seconds))
            memory[name] = server.memory()
    p99 = {name: 1000 * trials.share(load.accepted, 0.99) for name, load in loads.items()}
    load = loads["overload"]
    refused = 1000 * trials.share(load.rejected, 0.99)
    share = len(load.rejected) / max(1, len(load.rejected) + len(load.accepted))
    grown = memory["overload"] / memory["before"] - 1
    yield _row(
        f"at twice {capacity:,.0f} requests/s, p99 of who is answered beside that at 0.8",
        f"{p99['overload']:.1f} ms beside {p99['before']:.1f} ms",
        "twice that",
        capacity=capacity,
        milliseconds=p99,
    )
    yield _row("the others are refused", f"{share:.0%}, p99 {refused:.1f} ms", "at once",
               share=share, milliseconds=refused)  # fmt: skip
    late = {name: 1000 * trials.share(load.late, 0.99) for name, load in loads.items()}
    yield _row("the client itself is late in the overload", f"p99 {late['overload']:.1f} ms",
               "not the server's", milliseconds=late)  # fmt: skip
    yield _row("memory in the overload", f"{grown:+.1%}", "flat", bytes=memory)
    lost = {name: len(load.rejected) for name, load in loads.items()}
    told = f"{p99['after']:.1f} ms, {lost['after']} refused, {lost['before']} before"
    yield _row("p99 afterwards, at 0.8", told, "as before", milliseconds=p99["after"], refused=lost)


def _memory(arguments: argparse.Namespace) -> Iterator[Row]:
    """Whether requests leave anything behind."""
    path = f"/v1/calls/{arguments.images}/generate?n=1&seed=1"
    requests = 10_000 if not arguments.quick else 300
    with served([arguments.images], *_options(arguments)) as server:
        run(trials.many(server, path, requests // 10))
        before = server.memory()
        run(trials.many(server, path, requests))
        grown = server.memory() / before - 1
    yield _row(f"memory after {requests:,} requests", f"{grown:+.1%}", "below 5%", grown=grown)


def _leaving(arguments: argparse.Namespace) -> Iterator[Row]:
    """A hundred clients that go away."""
    with served([arguments.texts], *_options(arguments)) as server:
        found = run(trials.leaving(server, arguments.texts, 100, _unending(arguments.texts)))
    yield _row("slots are free after 100 clients have left",
               f"{1000 * found['seconds']:.0f} ms, {found['counted']:.0f} counted",
               "100 ms, 100", **found)  # fmt: skip


PARTS = {
    "images": _image_speed,
    "texts": _text_speed,
    "overhead": _overhead,
    "overload": _overload,
    "memory": _memory,
    "leaving": _leaving,
}


def _ratio(what: str, unit: str, found: dict[str, list[float]], asked: float) -> Row:
    ratios = [ours / theirs for ours, theirs in zip(found["served"], found["offline"], strict=True)]
    middle = {way: statistics.median(speeds) for way, speeds in found.items()}
    ratio = statistics.median(ratios)
    words = "{served:,.0f} {unit}/s, {ratio:.2f} of {offline:,.0f}"
    figure = words.format(unit=unit, ratio=ratio, **middle)
    spread = {"lowest": min(ratios), "highest": max(ratios)}
    return _row(f"{what}, beside Python", figure, f"{asked}", ratio=ratio, **spread, **middle)


def _added(what: str, found: dict[str, list[float]], goal: str) -> Row:
    """Return by how many milliseconds what is served takes longer, in the median of all rounds."""
    pairs = zip(found["served"], found["offline"], strict=True)
    added = 1000 * statistics.median(with_http - without for with_http, without in pairs)
    middle = {way: 1000 * statistics.median(seconds) for way, seconds in found.items()}
    return _row(what, f"{added:.3f} ms", goal, milliseconds=added, **middle)


def _unending(model: str) -> dict[str, float]:
    """Return a bias that lets no text end by itself."""
    import serving

    tokenizer: Tokenizer = serving.load(model, device="cpu").tokenizer
    return {str(end): -10_000.0 for end in tokenizer.ends}


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--json", type=Path, help="write all of it here as well")
    parser.add_argument("--only", nargs="+", choices=PARTS, help="these parts; all by default")
    parser.add_argument("--images", default=IMAGES, help="a model of images")
    parser.add_argument("--texts", default=TEXTS, help="a model of texts")
    parser.add_argument("--threads", type=report.positive, default=default_threads())
    parser.add_argument(
        "--spinning",
        action=argparse.BooleanOptionalAction,
        default=True,
        help="whether threads wait without sleep, with and without a server",
    )
    parser.add_argument("--rounds", type=report.positive, default=7)
    parser.add_argument("--seconds", type=float, default=3.0, help="of a turn of images")
    parser.add_argument("--tokens", type=report.positive, default=200, help="of a text")
    parser.add_argument("--overload-seconds", type=float, default=60.0)
    parser.add_argument("--server", nargs="*", default=[], help="options of the server that is "
                        "overloaded, without their dashes, such as requests=32")  # fmt: skip
    parser.add_argument("--quick", action="store_true", help="see that it runs; figures are none")
    found = parser.parse_args(words)
    found.server = [f"--{each}" for each in found.server]
    if found.quick:
        found.rounds, found.seconds, found.tokens, found.overload_seconds = 1, 0.3, 20, 1.0
    return found


if __name__ == "__main__":
    main()

"""What smaller models cost and bring: `python -m tests.bench.smaller docs/smaller.json`.

One small network of characters of tiny Shakespeare is made in several ways: trained alone, taught
by a larger model, made of the parts of that model that matter, and both; all as many steps. How
well they predict is measured in ONNX Runtime, on their fused graphs; so is how fast both networks
are, which take turns, so that a machine that slows down slows both.
"""

import argparse
import json
import statistics
import tempfile
from pathlib import Path
from typing import Any

import zoo
from serving.files import replacing
from tests.bench.machine import described, settle
from tests.bench.smaller.fused import STEPS, Fused
from tests.bench.turns import ratios, timed
from zoo.training.smaller.pruning import prune

TEACHER = "gpt-shakespeare-nano"
SMALL = {
    "model.layers": 2,
    "model.heads": 3,
    "model.head_width": 32,
    "model.feed_forward": 256,
}
TAUGHT = {"train.teacher": TEACHER}
PRUNED = {"train.initial_weights": TEACHER, "train.prune": "taylor"}
UNTRAINED = {"pruned": PRUNED, "pruned by magnitude": PRUNED | {"train.prune": "magnitude"}}
TRAINED: dict[str, dict[str, Any]] = {
    "trained alone": {},
    "with the teacher": TAUGHT,
    "pruned, then trained": PRUNED,
    "pruned, then trained with the teacher": PRUNED | TAUGHT,
}
TITLES = (
    "way", "parameters", "steps", "seconds", "nats per character", "tokens/s", "over the teacher"
)  # fmt: skip


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    settle()
    command = f"python -m tests.bench.smaller docs/smaller.json --steps {arguments.steps}"
    command += f" --limit {arguments.limit} --rounds {arguments.rounds}"
    document = {"command": command, "rows": []}
    if arguments.out.is_file():
        found = json.loads(arguments.out.read_text(encoding="utf-8"))
        document = found if found["command"] == command else document
    tokens = zoo.Recipe.load(TEACHER).task().text.tokens("test")[: arguments.limit]
    for way in (TEACHER, *UNTRAINED, *TRAINED):
        if way in {row["way"] for row in document["rows"]}:
            continue
        model, record = _made(way, arguments.steps)
        nats = Fused(model).nats_per_token(tokens)
        row = {"way": way, "parameters": model.num_parameters, "nats_per_character": nats} | record
        document["rows"].append(row)
        _write(document, arguments.out)
        print(row, flush=True)
    if arguments.rounds:
        _add_speeds(document["rows"], arguments.rounds)
    _write(document | described({"keras", "onnxruntime", "tensorflow"}), arguments.out)
    print(markdown(document))


def _write(document: dict[str, Any], out: Path) -> None:
    with replacing(out) as temporary:
        temporary.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def _made(way: str, steps: int) -> tuple[zoo.GPT, dict[str, Any]]:
    """Return a model, and the steps and seconds of its training if it is trained here."""
    if way == TEACHER:
        return zoo.from_preset(TEACHER), {}
    if way in UNTRAINED:
        recipe = zoo.Recipe.load(TEACHER, SMALL | UNTRAINED[way])
        model = recipe.build()
        prune(model, recipe.train, recipe.task().training_batches(start=0))
        return model, {}
    shortened = {
        "train.epochs": 1,
        "train.steps_per_epoch": steps,
        "train.warmup_steps": min(100, steps // 10),
    }
    with tempfile.TemporaryDirectory() as place:
        run = zoo.train(TEACHER, Path(place) / "run", overrides=shortened | SMALL | TRAINED[way])
        record = json.loads((run.workdir / "training.json").read_text())
        made = {key: record[key] for key in ("steps", "train_seconds")}
        return zoo.from_workdir(run.workdir), made


def _add_speeds(rows: list[dict[str, Any]], rounds: int) -> None:
    """Add how fast each network is, which does not depend on its weights, and its ratio."""
    small = zoo.Recipe.load(TEACHER, SMALL).build()
    graphs = {True: Fused(zoo.from_preset(TEACHER)), False: Fused(small)}
    seconds = timed({way: graph.writing(threads=1) for way, graph in graphs.items()}, rounds)
    for row in rows:
        own = seconds[row["way"] == TEACHER]
        row["per_second"] = STEPS / statistics.median(own)
        row |= ratios(own, seconds[True])


def markdown(document: dict[str, Any]) -> str:
    """Return the table of a file, without columns of which nothing is known."""
    lines = [_cells(row) for row in document["rows"]]
    columns = [each for each in zip(TITLES, *lines, strict=True) if any(each[1:])]
    header, *lines = zip(*columns, strict=True)
    rows = [header, ["---"] * len(header), *lines]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _cells(row: dict[str, Any]) -> list[str]:
    trained, speed = ["", ""], ["", ""]
    if "steps" in row:
        trained[0] = f"{row['steps']:,}"
    if "train_seconds" in row:
        trained[1] = f"{row['train_seconds']:,.0f}"
    if "ratio" in row:
        spread = f"{row['ratio']:.2f} ({row['lowest']:.2f} to {row['highest']:.2f})"
        speed = [f"{row['per_second']:,.0f}", spread]
    nats = f"{row['nats_per_character']:.3f}"
    return [row["way"], f"{row['parameters']:,}", *trained, nats, *speed]


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the rows go here; those that it has are kept")
    parser.add_argument("--steps", type=int, default=2000, help="of each run")
    parser.add_argument("--limit", type=int, default=60_000, help="tokens to predict")
    parser.add_argument("--rounds", type=int, default=15, help="of speed; 0 for none")
    return parser.parse_args(words)


if __name__ == "__main__":
    main()

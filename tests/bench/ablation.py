"""What each choice of the small Transformer buys: `python -m tests.bench.ablation FILE.json`.

`gpt-shakespeare-nano` is trained again with one choice undone at a time, on the same tokens, with
about as many parameters, and measured on the same text.
"""

import argparse
import json
import tempfile
from pathlib import Path
from typing import Any

import zoo
from export.evaluation import evaluate
from serving.files import replacing

RECIPE = "gpt-shakespeare-nano"
NANOGPT = {"train.optimizer": "adamw", "train.learning_rate": 1e-3}
CHOICES: dict[str, dict[str, Any]] = {
    "as it is": {},
    "as it is, seed 1": {"train.seed": 1},
    "as it is, seed 2": {"train.seed": 2},
    "learned positions for rotary": {"model.positions": "learned"},
    "AdamW at 1e-3, as in nanoGPT, for Muon": NANOGPT,
    "AdamW at 4e-3 for Muon": NANOGPT | {"train.learning_rate": 4e-3},
    "GELU for SwiGLU": {"model.activation": "gelu"},
    "LayerNorm for RMSNorm": {"model.normalisation": "layer"},
    "no averaged weights": {"train.ema": 0.0},
    "bfloat16 for float32": {"train.precision": "mixed_bfloat16"},
    "all of nanoGPT's": NANOGPT
    | {
        "model.positions": "learned",
        "model.activation": "gelu",
        "model.normalisation": "layer",
        "train.ema": 0.0,
    },
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("out", type=Path, help="the rows go here; those that it has are kept")
    out = parser.parse_args().out
    rows = json.loads(out.read_text()) if out.is_file() else []
    for choice, overrides in CHOICES.items():
        if choice in {row["choice"] for row in rows}:
            continue
        rows.append({"choice": choice} | measure(overrides))
        print(rows[-1], flush=True)
        with replacing(out) as temporary:
            temporary.write_text(json.dumps(rows, indent=1) + "\n")


def measure(overrides: dict[str, Any]) -> dict[str, Any]:
    """Train with these overrides, and return the test metrics with size and time."""
    with tempfile.TemporaryDirectory() as place:
        run = zoo.train(RECIPE, Path(place) / "run", overrides=overrides)
        record = json.loads((run.workdir / "training.json").read_text())
        metrics = {metric.name: metric.value for metric in evaluate(run.workdir)}
    return {
        "overrides": overrides,
        "nats_per_character": metrics["nats_per_character"],
        "nats_per_character_disjoint": metrics["nats_per_character_disjoint"],
        "parameters": record["parameters"],
        "steps": record["steps"],
        "train_seconds": record["train_seconds"],
        "git_commit": record["git_commit"],
    }


if __name__ == "__main__":
    main()

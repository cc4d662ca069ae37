"""The table of smaller models, and that of zeros, at tiny sizes and as they stand in the docs."""

import json
from pathlib import Path

import numpy as np
import pytest

from tests.bench.smaller import __main__ as smaller
from tests.bench.smaller import zeros
from tests.bench.smaller.fused import Fused
from tests.zoo.transformer import tiny_gpt

DOCS = Path(__file__).parents[3] / "docs"


@pytest.mark.parametrize("module", [smaller, zeros])
def test_the_page_has_the_table_of_the_file(module):
    name = "smaller" if module is smaller else "zeros"
    document = json.loads((DOCS / f"{name}.json").read_text(encoding="utf-8"))
    page = (DOCS / "smaller.md").read_text(encoding="utf-8")
    assert module.markdown(document) in page
    assert document["command"] in page


def test_zeros_are_counted_and_weigh_less_only_when_packed():
    rows = zeros.measure(
        Fused(tiny_gpt.model("llama", width=32, heads=2)), tiny_gpt.ids(1, 50)[0], rounds=1
    )
    assert [row["zeros"] for row in rows] == [0.0, 0.5, 0.8]
    assert len({row["bytes"] for row in rows}) == 1
    sizes = [row["gzip_bytes"] for row in rows]
    assert sizes == sorted(sizes, reverse=True) and len(set(sizes)) == 3
    assert rows[0]["nats_per_token"] != rows[2]["nats_per_token"]
    assert rows[0]["ratio"] == 1.0


def test_the_fused_graph_predicts_as_the_model_does():
    model, tokens = tiny_gpt.model("llama", width=32, heads=2), tiny_gpt.ids(1, 12)[0]
    batch = (tokens[None, :-1].astype("int32"), tokens[None, 1:].astype("int32"))
    expected = float(model.validation_loss(batch))
    assert Fused(model).nats_per_token(tokens) == pytest.approx(expected, rel=1e-4)
    assert np.isfinite(expected)


def test_a_table_has_a_line_for_each_way():
    rows = [
        {"way": "big", "parameters": 10_000, "nats_per_character": 1.5, "per_second": 100.0}
        | {"ratio": 1.0, "lowest": 1.0, "highest": 1.0},
        {"way": "small", "parameters": 1000, "nats_per_character": 2.0, "steps": 5}
        | {"train_seconds": 3.2},
    ]
    lines = smaller.markdown({"rows": rows}).splitlines()
    assert lines[2] == "| big | 10,000 |  |  | 1.500 | 100 | 1.00 (1.00 to 1.00) |"
    assert lines[3] == "| small | 1,000 | 5 | 3 | 2.000 |  |  |"
    lines = smaller.markdown({"rows": rows[1:]}).splitlines()  # nothing is known of its speed
    assert lines[0] == "| way | parameters | steps | seconds | nats per character |"
    assert lines[2] == "| small | 1,000 | 5 | 3 | 2.000 |"

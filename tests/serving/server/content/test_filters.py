"""Filters of a server, in every dialect: refused in one line, or ended where a text is refused."""

import json
import re
import shutil
import threading

import httpx
import pytest

from serving.filters.filters import FilteredError, Filters
from serving.server.limits import Limits
from serving.server.metrics import Metrics
from serving.server.repository import Repository
from tests.serving.server.running import running
from tests.serving.tiny_bundle import reseal


@pytest.fixture(scope="module")
def words(tmp_path_factory):
    file = tmp_path_factory.mktemp("words") / "words.txt"
    file.write_text("a\n")
    return f"words:{file}"


@pytest.fixture(scope="module")
def filtered(text, tiny, words):
    with (
        running([text, tiny], filters=[words]) as server,
        httpx.Client(base_url=server.url, timeout=30) as client,
    ):
        yield client


def texts(client, words, model):
    """Return a seed of a text that passes, and one of a text that does not."""
    found = {}
    for seed in range(100):
        written = model.generate("b ", max_new_tokens=12, seed=seed, temperature=9.0)
        try:
            Filters([words]).check_text(f"b {written}")
            found.setdefault("passes", (seed, written))
        except FilteredError:
            at = re.search(r"(?<!\w)a(?!\w)", written).start()
            if at > 3:
                found.setdefault("refused", (seed, written[:at]))
        if len(found) == 2:
            return found
    raise AssertionError(found)


def test_a_prompt_is_looked_at_once_and_beside_the_loop(text, words, monkeypatch):
    looked = []

    def check(self, prompt):
        looked.append((prompt, threading.current_thread()))

    monkeypatch.setattr(Filters, "check_prompt", check)
    with running([text], filters=[words]) as server:
        asked = {"model": "toy", "prompt": ["b ", "b b"], "n": 4, "max_tokens": 2}
        answer = httpx.post(f"{server.url}/v1/completions", json=asked)
        assert len(answer.json()["choices"]) == 8
        assert sorted(prompt for prompt, _ in looked if prompt) == ["b ", "b b"]
        assert server.thread not in {thread for _, thread in looked}


def test_prompts_are_refused_in_every_dialect(filtered):
    asked = {"prompt": "b a b", "max_new_tokens": 2}
    answers = [filtered.post("/v1/calls/toy/generate", json=asked),
               filtered.post("/v1/calls/toy/search", json=asked),
               filtered.post("/v1/calls/toy/score", json={"text": "b a"}),
               *(filtered.post("/v1/completions",
                               json={"model": "toy", "prompt": "b a b", "stream": stream})
                 for stream in (False, True))]  # fmt: skip
    for answer in answers:
        assert answer.status_code == 400 and answer.json()["error"]["code"] == "content_filter"
    tensor = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": ["b a"]}
    answer = filtered.post("/v2/models/toy/infer", json={"inputs": [tensor]})
    assert answer.status_code == 400 and "refuses" in answer.json()["error"]
    assert 'reason="filtered"' in filtered.get("/metrics").text


def test_texts_end_where_they_are_refused(filtered, words, model):
    found = texts(filtered, words, model("toy"))
    for kind, (seed, written) in found.items():
        asked = {"model": "toy", "prompt": "b ", "max_tokens": 12, "seed": seed, "temperature": 9.0}
        whole = filtered.post("/v1/completions", json=asked).json()["choices"][0]
        lines = filtered.post("/v1/completions", json=asked | {"stream": True, "logprobs": 2}).text
        pieces = [json.loads(line[6:])["choices"][0] for line in lines.splitlines() if "{" in line]
        streamed = "".join(each["text"] for each in pieces)
        call = filtered.post("/v1/calls/toy/generate",
                             json={"prompt": "b ", "max_new_tokens": 12, "seed": seed,
                                   "temperature": 9.0})  # fmt: skip
        if kind == "passes":
            assert whole["text"] == streamed == written == call.json()["text"]
            assert whole["finish_reason"] in ("stop", "length")
        else:
            assert whole["text"] == "" and whole["finish_reason"] == "content_filter"
            assert pieces[-1]["finish_reason"] == "content_filter"
            assert written.startswith(streamed)
            told = [token for each in pieces if each["logprobs"]
                    for token in each["logprobs"]["tokens"]]  # fmt: skip
            assert re.sub(r"bytes:\\x..", "\ufffd", "".join(told)) == streamed
            assert call.status_code == 400
            assert call.json()["error"]["code"] == "content_filter"


def test_graphs_as_they_are_are_not_served(filtered):
    assert filtered.get("/v2/models/tiny/ready").status_code == 200
    assert filtered.get("/v2/models/tiny.decoder/ready").status_code == 404


def test_a_model_that_is_loaded_anew_has_them_too(text, tmp_path, words):
    """What is served in the place of another is filtered as that was."""
    bundle = shutil.copytree(text, tmp_path / "toy")
    limits, metrics = Limits(), Metrics()
    models = Repository([str(bundle)], device="cpu", threads=1, filters=[words])
    try:
        reseal(bundle, summary="another")
        fresh = models.renewed("toy", limits, metrics)
        assert fresh.filtered
        with pytest.raises(FilteredError):
            fresh.model.generate("b a", max_new_tokens=1)
        fresh.close()
    finally:
        models.close()

"""Adapters of a model that is served: each request says which, and all are written at once."""

from concurrent.futures import ThreadPoolExecutor

import httpx
import pytest
from openai import NotFoundError, OpenAI

from serving.errors import UsageError
from serving.server.repository import Repository
from tests.export.families.conftest import NAMES
from tests.serving.server.running import running

MOST = 24


@pytest.fixture(scope="module")
def server(adapted):
    adapters = {name: adapted / name for name in NAMES}
    with running([adapted / "bundle"], adapters=adapters) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def test_every_request_is_written_with_its_own_adapter(server, client, gpt):
    name = gpt.manifest.name

    def completed(prompt, seed, adapter):
        model = name if adapter is None else f"{name}:{adapter}"
        answer = client.completions.create(
            model=model, prompt=prompt, seed=seed, max_tokens=MOST, temperature=1
        )
        assert answer.model == model
        return answer.choices[0].text

    def called(prompt, seed, adapter):
        said = {"prompt": prompt, "seed": seed, "max_new_tokens": MOST}
        said |= {} if adapter is None else {"adapter": adapter}
        answer = httpx.post(f"{server.url}/v1/calls/{name}/generate", json=said, timeout=60)
        return answer.raise_for_status().json()["text"]

    asked = [("import x", seed, adapter) for seed in range(3) for adapter in (*NAMES, None)]
    expected = [gpt.generate(p, MOST, seed=seed, adapter=adapter) for p, seed, adapter in asked]
    with ThreadPoolExecutor(len(asked)) as crowd:
        for ask in (completed, called):
            assert list(crowd.map(lambda each, ask=ask: ask(*each), asked)) == expected
    assert len(set(expected[:3])) == 3


def test_they_are_listed_and_others_refused(server, client, gpt):
    name = gpt.manifest.name
    models = [f"{name}:{each}" for each in NAMES]
    assert [each.id for each in client.models.list()] == [name, *models]
    assert client.models.retrieve(models[0]).id == models[0]
    for model in (f"{name}:odes", f"{name}:"):
        with pytest.raises(NotFoundError, match=f"has no adapter .*; it has {', '.join(NAMES)}"):
            client.completions.create(model=model, prompt="a")
    answer = httpx.post(f"{server.url}/v1/calls/{name}/generate", json={"adapter": "odes"})
    assert answer.status_code == 400 and "'odes'" in answer.json()["error"]["message"]


def test_an_adapter_of_no_model_is_refused(adapted):
    with pytest.raises(UsageError, match="'poems' is a change of none of these models"):
        Repository([adapted / "merged-prose"], {"poems": adapted / "poems"})

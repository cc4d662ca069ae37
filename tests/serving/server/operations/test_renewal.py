"""Models that change while they are asked: nobody is refused, each answer is of one of them."""

import asyncio
import gc
import hashlib
import io
import json
import shutil
import signal
import time
import weakref
from itertools import islice

import httpx
import numpy as np
import onnx
import pytest
from onnx import numpy_helper

import serving
from serving.server.operations.keys import add_key
from tests.serving import tiny_bundle
from tests.serving.server.running import running
from tests.serving.tiny_bundle import reseal
from tests.serving.tiny_text_bundle import LANGUAGE, write_bundle

GENERATE = "/v1/calls/tiny/generate"
ENDLESS = {"logit_bias": {str(LANGUAGE.tokenizer.eos): -10_000}, "seed": 1}


def trained(folder, factor):
    """Put other weights into the bundle of a folder, all at once; return the bundle's hash."""
    fresh = folder.with_name("fresh")
    shutil.copytree(folder, fresh)
    model = onnx.load(fresh / "decoder.onnx")
    [weights] = [each for each in model.graph.initializer if each.name == "to_image"]
    weights.CopyFrom(
        numpy_helper.from_array(tiny_bundle.WEIGHTS["to_image"] * np.float32(factor), "to_image")
    )
    onnx.save(model, fresh / "decoder.onnx")
    reseal(fresh)
    return replaced(folder, fresh)


def replaced(folder, fresh):
    shutil.rmtree(folder)
    fresh.rename(folder)
    return hash_of(folder)


def hash_of(folder):
    return hashlib.sha256((folder / "bundle.json").read_bytes()).hexdigest()


def images(folder, seed):
    return serving.load(folder, device="cpu").generate(2, seed=seed)


def generated(answer):
    assert answer.status_code == 200, answer.text
    return np.load(io.BytesIO(answer.content)), answer.headers["x-model-hash"]


@pytest.fixture
def controlled(own):
    """A server of the test's own bundle, whose clients may load and unload it."""
    with running([own], options={"model_control": True}) as found:
        yield found


@pytest.fixture
def triton(controlled):
    module = pytest.importorskip("tritonclient.http")
    with module.InferenceServerClient(controlled.address) as client:
        yield client


def ask(served, **query):
    return generated(
        httpx.post(f"{served.url}{GENERATE}", params={"n": 2, "seed": 3} | query,
                   headers={"accept": "application/x-npy"})
    )  # fmt: skip


def states(triton):
    return {each["name"]: (each["state"], each["reason"])
            for each in triton.get_model_repository_index()}  # fmt: skip


def test_a_model_is_loaded_anew_by_the_client_of_triton(controlled, triton, own):
    before, old = ask(controlled)
    assert old == hash_of(own) and (before == images(own, 3)).all()
    new = trained(own, 3)
    assert ask(controlled)[1] == old  # until somebody says so
    triton.load_model("tiny")
    after, found = ask(controlled)
    assert found == new and (after == images(own, 3)).all() and (after != before).any()
    assert states(triton)["tiny"] == ("READY", "")
    triton.load_model("tiny")  # which has not changed
    text = httpx.get(f"{controlled.url}/metrics").text
    assert 'genzoo_model_loads_total{model="tiny",outcome="loaded"} 1.0' in text
    assert 'genzoo_model_loads_total{model="tiny",outcome="unchanged"} 1.0' in text


def test_the_old_model_is_let_go(own, tmp_path):
    """At once, as a server makes so little garbage that the collector seldom comes."""
    toy = write_bundle(tmp_path / "toy")
    with running([own, toy], options={"model_control": True}) as served:
        ask(served)
        asked = {"model": "toy", "prompt": "abc ", "max_tokens": 3}
        assert httpx.post(f"{served.url}/v1/completions", json=asked).status_code == 200
        repository = served.server.repository
        old = [weakref.ref(repository.get(name).model) for name in ("tiny", "toy")]
        trained(own, 2)
        reseal(toy, summary="Another.")
        gc.collect()
        gc.disable()
        try:
            for name in ("tiny", "toy"):
                load = f"{served.url}/v2/repository/models/{name}/load"
                assert httpx.post(load).status_code == 200
            until = time.monotonic() + 20
            while any(each() is not None for each in old) and time.monotonic() < until:
                time.sleep(0.02)
            assert [each() for each in old] == [None, None]
        finally:
            gc.enable()


def test_a_broken_bundle_leaves_the_old_one(controlled, triton, own):
    from tritonclient.utils import InferenceServerException

    before, old = ask(controlled)
    reseal(own, summary="Another.")
    for spoil, words in (
        (lambda: (own / "decoder.onnx").write_bytes(b"spoilt"), "decoder.onnx"),
        (lambda: (own / "bundle.json").write_text("{"), "bundle.json"),
        (lambda: shutil.rmtree(own), "not"),
    ):
        spoil()
        with pytest.raises(InferenceServerException, match=words) as raised:
            triton.load_model("tiny")
        assert raised.value.status() == "400"
        state, reason = states(triton)["tiny"]
        assert state == "READY" and reason.startswith("not loaded again") and words in reason
        after, found = ask(controlled)
        assert found == old and (after == before).all()
        assert httpx.get(f"{controlled.url}/v2/health/ready").status_code == 200


def test_a_bundle_of_another_name_is_no_new_one(controlled, triton, own):
    from tritonclient.utils import InferenceServerException

    reseal(own, name="other")
    with pytest.raises(InferenceServerException, match="is 'other' now"):
        triton.load_model("tiny")
    assert triton.is_model_ready("tiny")


def test_a_model_is_unloaded_and_loaded(controlled, triton):
    before, _ = ask(controlled)
    triton.unload_model("tiny", unload_dependents=True)
    assert not triton.is_model_ready("tiny") and not triton.is_model_ready("tiny.decoder")
    assert states(triton) == {"tiny": ("UNAVAILABLE", "unloaded")}
    ready = httpx.post(f"{controlled.url}/v2/repository/index", json={"ready": True})
    assert ready.json() == []
    refused = httpx.post(f"{controlled.url}{GENERATE}")
    assert refused.status_code == 404 and "was unloaded" in refused.text
    assert httpx.get(f"{controlled.url}/v1/models").json()["data"] == []
    assert triton.is_server_ready()
    triton.load_model("tiny")
    assert (ask(controlled)[0] == before).all()
    assert states(triton)["tiny.decoder"] == ("READY", "")


def test_what_was_unloaded_stays_so_when_all_else_is_taken_anew(controlled, triton, own):
    triton.unload_model("tiny")
    new = trained(own, 2)
    done = asyncio.run_coroutine_threadsafe(controlled.server.renewal.everything(), controlled.loop)
    done.result(timeout=60)
    assert states(triton) == {"tiny": ("UNAVAILABLE", "unloaded")}
    triton.load_model("tiny")
    assert ask(controlled)[1] == new


def test_models_are_loaded_where_they_were_named(controlled, triton):
    from tritonclient.utils import InferenceServerException

    for name in ("vae-mnist", "../own", "tiny.decoder"):
        with pytest.raises(InferenceServerException):
            triton.load_model(name)
    with pytest.raises(InferenceServerException, match="config is not supported"):
        triton.load_model("tiny", config="{}")
    with pytest.raises(InferenceServerException, match="is not supported"):
        triton.load_model("tiny", config="{}", files={"file:1/model.onnx": b"x"})
    load = f"{controlled.url}/v2/repository/models/tiny/load"
    for body in ({"parameters": 3}, {"more": 1}, [1]):
        assert httpx.post(load, json=body).status_code == 400
    unload = f"{controlled.url}/v2/repository/models/tiny/unload"
    assert httpx.post(unload, json={"parameters": {"force": True}}).status_code == 400
    index = f"{controlled.url}/v2/repository/index"
    assert httpx.post(index, json={"ready": "yes"}).status_code == 400


def test_clients_may_not_unless_it_says_so(served, client):
    for what in ("load", "unload"):
        answer = client.post(f"/v2/repository/models/tiny/{what}")
        assert answer.status_code == 403 and "--model-control" in answer.json()["error"]


def test_of_keys_those_of_operators_may(own, tmp_path):
    file = tmp_path / "keys"
    plain, operator = add_key(file, "plain"), add_key(file, "ops", operator=True)
    with running([own], options={"model_control": True, "keys": file}) as served:
        load = f"{served.url}/v2/repository/models/tiny/load"
        assert httpx.post(load).status_code == 401
        assert httpx.post(load, headers={"x-api-key": plain}).status_code == 403
        assert httpx.post(load, headers={"x-api-key": operator}).status_code == 200


def test_nobody_is_refused_while_models_change(own, tmp_path):
    """Many clients ask all the while: each answer is that of the bundle whose hash it names."""
    toy = write_bundle(tmp_path / "toy")
    with running([own, toy]) as served:
        expected = {hash_of(own): images(own, 3)}
        running_still, found = [True], []

        async def crowd(client):
            while running_still:
                query = {"n": 2, "seed": 3}
                answer = await client.post(GENERATE, params=query,
                                           headers={"accept": "application/x-npy"})  # fmt: skip
                found.append(generated(answer))

        async def stream(client, begun):
            asked = {"model": "toy", "prompt": "abc ", "max_tokens": 400, "stream": True} | ENDLESS
            async with client.stream("POST", "/v1/completions", json=asked) as answer:
                begun.set()
                lines = [line async for line in answer.aiter_lines() if line]
            return answer.headers["x-model-hash"], lines

        async def change(factor):
            new = trained(own, factor)
            expected[new] = images(own, 3)
            reseal(toy, summary=f"Number {factor}.")
            done = len(found)
            future = asyncio.run_coroutine_threadsafe(
                served.server.renewal.everything(), served.loop
            )
            await asyncio.wrap_future(future)
            while len(found) < done + 10:
                await asyncio.sleep(0.01)

        async def everything():
            async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
                asked = [asyncio.create_task(crowd(client)) for _ in range(8)]
                streams = []
                for factor in (2, 3, 4):
                    begun = asyncio.Event()
                    streams.append(asyncio.create_task(stream(client, begun)))
                    await begun.wait()
                    await change(factor)
                running_still.clear()
                await asyncio.gather(*asked)
                return await asyncio.gather(*streams)

        streams = asyncio.run(everything())
        served.settle()
        assert {each for _, each in found} == set(expected) and len(expected) == 4
        assert all((made == expected[of]).all() for made, of in found)
        for _, lines in streams:
            assert lines[-1] == "data: [DONE]"
            assert json.loads(lines[-2][6:])["choices"][0]["finish_reason"] == "length"
        assert len({of for of, _ in streams}) == 3  # each was begun by another model


def test_a_signal_has_a_process_take_what_is_new(own, tmp_path, begun):
    file = tmp_path / "keys"
    key = add_key(file, "alice")
    url, process, events = begun([own], "--keys", file)
    headers = {"x-api-key": key}
    old = httpx.post(f"{url}{GENERATE}", headers=headers).headers["x-model-hash"]
    new, other = trained(own, 2), add_key(file, "bob")
    process.send_signal(signal.SIGHUP)
    told = renewals(events, 2)
    assert told[0]["what"] == "keys" and told[1]["outcome"] == "loaded"
    answer = httpx.post(f"{url}{GENERATE}", headers={"x-api-key": other})
    assert answer.headers["x-model-hash"] == new != old
    file.write_text("spoilt")
    reseal(own, summary="Another.")
    (own / "decoder.onnx").write_bytes(b"spoilt")
    process.send_signal(signal.SIGHUP)
    keys, model = renewals(events, 2)
    assert "is no key" in keys["why"] and "decoder.onnx" in model["why"]
    assert httpx.post(f"{url}{GENERATE}", headers=headers).headers["x-model-hash"] == new


def renewals(events, count):
    """Return the next events of things that were, or were not, taken anew."""
    told = (events.get(timeout=30) for _ in range(99))
    return list(islice((each for each in told if each["event"].endswith("renewed")), count))

"""Clients that go away, requests whose time is over, and servers that are told to stop."""

import asyncio
import json
import random
import signal
import socket
import time

import httpx
import pytest

from tests.serving.server.running import running
from tests.serving.text.toy_language import language_model
from tests.serving.tiny_text_bundle import BYTES, LANGUAGE

ENDLESS = {"logit_bias": {str(LANGUAGE.tokenizer.eos): -10_000}, "seed": 1}  # but for its length
LONG = {"model": "toy", "prompt": "abc ", "max_tokens": 15_000} | ENDLESS
CHAT = {
    "model": "chatter",
    "messages": [{"role": "user", "content": "abc"}],
    "seed": 1,
    "max_tokens": 60_000,
    "logit_bias": {str(language_model(of=BYTES).tokenizer.eos): -10_000},
}
LONG_CALL = {"max_new_tokens": 60_000} | ENDLESS


@pytest.fixture(scope="module")
def writing(text, tiny, chatter):
    """A server of models that writes two texts at once."""
    with running([text, tiny, chatter], texts_together=2) as found:
        yield found


def cancelled(served):
    return served.server.metrics.cancelled._value.get()


def reaches(served, count):
    """Wait until so many requests have been counted as cancelled, and see that it stays so."""
    until = time.monotonic() + 20
    while cancelled(served) < count and time.monotonic() < until:
        time.sleep(0.005)
    assert cancelled(served) == count


def busy(served, count):
    """Wait until so many requests are here."""
    until = time.monotonic() + 20
    while len(served.server.admission) < count:
        assert time.monotonic() < until
        time.sleep(0.005)


async def leave(served, path, document, after):
    """Ask, and close the connection so many seconds later."""
    host, port = served.address.split(":")
    _, writer = await asyncio.open_connection(host, int(port))
    body = json.dumps(document).encode()
    head = f"POST {path} HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
    writer.write(head.encode() + body)
    await writer.drain()
    await asyncio.sleep(after)
    writer.close()


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v1/completions", LONG),
        ("/v1/completions", LONG | {"n": 4}),  # of which two wait for a slot
        ("/v1/completions", LONG | {"stream": True}),
        ("/v1/chat/completions", CHAT),
        ("/v1/chat/completions", CHAT | {"stream": True}),
        ("/v1/calls/toy/generate", LONG_CALL),
        ("/v2/models/toy/infer", {"inputs": [], "parameters": LONG_CALL}),
    ],
)
def test_who_goes_away_is_not_worked_for(writing, path, document):
    before = cancelled(writing)
    asyncio.run(leave(writing, path, document, 0.2))
    writing.settle()
    writer = writing.server.repository.get("toy").writers[None]
    until = time.monotonic() + 5
    while writer.busy and time.monotonic() < until:
        time.sleep(0.005)
    assert not writer.busy
    reaches(writing, before + 1)
    # The thread of calls is free as well.
    answer = httpx.post(f"{writing.url}/v1/calls/toy/generate",
                        json={"prompt": "abc ", "max_new_tokens": 1})  # fmt: skip
    assert answer.status_code == 200


def test_who_waits_leaves_the_queue(writing):
    """Two texts are written at once; who leaves behind them is never begun."""

    async def everything():
        ask = lambda after: leave(writing, "/v1/calls/toy/generate", LONG_CALL, after)  # noqa: E731
        first = [asyncio.create_task(ask(1.0)) for _ in range(2)]
        await asyncio.sleep(0.2)
        await asyncio.gather(*(ask(0.1) for _ in range(10)))
        await asyncio.sleep(0.2)
        left = len(writing.server.admission)
        await asyncio.gather(*first)
        return left

    assert asyncio.run(everything()) == 2
    writing.settle()


KINDS = [
    ("/v1/completions", LONG),
    ("/v1/completions", LONG | {"stream": True}),
    ("/v1/completions", LONG | {"n": 3}),
    ("/v1/chat/completions", CHAT),
    ("/v1/chat/completions", CHAT | {"stream": True, "n": 2, "max_tokens": 30_000}),
    ("/v1/calls/toy/generate", LONG_CALL),
    ("/v2/models/toy/infer", {"inputs": [], "parameters": LONG_CALL}),
]


class Watched:
    """Sees to it that at no turn of a writer a token is drawn of a text that was stopped before.

    Attributes:
        freed: how many texts have made room.
        late: those that were written on, or kept their slots.
    """

    def __init__(self, writer):
        self.writer, self.freed, self.late, self._turn = writer, 0, [], writer.turn
        writer.turn = self.turn

    def turn(self):
        stopped = [(each, len(each.tokens)) for each in self.here() if each.wanted.stopped]
        self._turn()
        here = self.here()
        self.late += [each for each, size in stopped if each in here or len(each.tokens) > size]
        self.freed += len(stopped)

    def here(self):
        reading = self.writer._reading
        return [*self.writer._writing, *([reading[0]] if reading else [])]


def test_a_hundred_clients_that_leave_at_random(writing):
    """Of every dialect; their slots are free at the next step, and the counters agree."""
    before, chance = cancelled(writing), random.Random(0)
    models = [writing.server.repository.get(name) for name in ("toy", "chatter")]
    watched = [Watched(each.writers[None]) for each in models]

    async def everything():
        await asyncio.gather(
            *(
                leave(writing, *KINDS[at % len(KINDS)], chance.uniform(0.05, 0.6))
                for at in range(100)
            )
        )

    asyncio.run(everything())
    writing.settle()
    reaches(writing, before + 100)
    for each, model in zip(watched, models, strict=True):
        until = time.monotonic() + 20
        while each.writer.busy and time.monotonic() < until:
            time.sleep(0.005)
        assert not each.writer.busy and not each.late and each.freed
        assert writing.server.metrics.slots.labels(model.name)._value.get() == 0
    answer = httpx.post(f"{writing.url}/v1/completions", json=LONG | {"max_tokens": 3})
    assert answer.status_code == 200


def test_who_does_not_read_his_answer_is_left(tiny):
    """A client that asks for 1 MiB, and never takes it, holds nothing for ever."""
    rows = 2**16
    limits = {"rows": rows, "rows_held": rows, "seconds": 2.5, "sending_seconds": 0.1}
    with running([tiny], **limits) as served:
        [listening] = served.runner.servers[0].sockets
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 2**12)
        host, port = served.address.split(":")
        with socket.socket() as client:
            client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2**12)
            client.connect((host, int(port)))
            head = f"POST /v1/calls/tiny/generate?n={rows} HTTP/1.1\r\nhost: x\r\n"
            client.sendall(f"{head}accept: application/x-npy\r\ncontent-length: 0\r\n\r\n".encode())
            busy(served, 1)
            served.settle()
        reaches(served, 1)


@pytest.mark.parametrize(
    ("path", "document"),
    [
        ("/v1/completions", LONG),
        ("/v1/completions", LONG | {"n": 3}),
        ("/v1/calls/toy/generate", LONG_CALL),
        ("/v2/models/toy/infer", {"inputs": [], "parameters": LONG_CALL}),
    ],
)
def test_what_takes_too_long_is_ended(writing, path, document):
    answer = httpx.post(f"{writing.url}{path}", json=document, headers={"x-request-timeout": "0.2"})
    assert answer.status_code == 504 and "longer than it may" in answer.text
    writing.settle()


def test_images_that_nobody_waits_for_are_not_computed(tiny, monkeypatch):
    """Through the whole road: after the deadline no graph is run any more."""
    with running([tiny]) as served:
        graph = served.server.repository.get("tiny").graphs["decoder"]
        run, runs = graph._session.run, []

        def slow(*given):
            runs.append(1)
            time.sleep(0.02)
            return run(*given)

        monkeypatch.setattr(graph._session, "run", slow)
        url = f"{served.url}/v1/calls/tiny/generate?n=1024"  # sixteen runs
        assert httpx.post(url, headers={"x-request-timeout": "0.1"}).status_code == 504
        served.settle()
        time.sleep(0.1)
        ended = len(runs)
        time.sleep(0.2)
        assert 0 < ended < 16 and len(runs) == ended


def test_the_timeout_of_the_protocol(writing):
    parameters = LONG_CALL | {"timeout": 200_000}
    request = {"inputs": [], "parameters": parameters}
    answer = httpx.post(f"{writing.url}/v2/models/toy/infer", json=request)
    assert answer.status_code == 504


def test_a_stream_that_takes_too_long_ends_with_an_event(writing):
    headers = {"x-request-timeout": "0.3"}
    with httpx.stream("POST", f"{writing.url}/v1/completions", json=LONG | {"stream": True},
                      headers=headers) as answer:  # fmt: skip
        events = [line[6:] for line in answer.iter_lines() if line.startswith("data: ")]
    assert answer.status_code == 200 and events[-1] == "[DONE]"
    assert json.loads(events[-2])["error"]["code"] == "timeout"


def test_open_streams_end_with_an_event_when_the_server_must_stop(text):
    async def everything(served):
        async with httpx.AsyncClient(timeout=60) as client:

            async def one(seed):
                request = LONG | {"stream": True, "seed": seed}
                async with client.stream("POST", f"{served.url}/v1/completions", json=request) as a:
                    return [line async for line in a.aiter_lines() if line]

            asked = [asyncio.create_task(one(seed)) for seed in range(16)]
            await asyncio.to_thread(busy, served, 16)
            served.runner.close()
            refused = await client.post(f"{served.url}/v1/completions", json=LONG)
            health = await client.get(f"{served.url}/v2/health/ready")
            return await asyncio.gather(*asked), refused.status_code, health.status_code

    with running([text], closing_seconds=0.5) as served:
        streams, refused, health = asyncio.run(everything(served))
    assert (refused, health) == (503, 503)
    for lines in streams:
        assert lines[-1] == "data: [DONE]"
        [choice] = json.loads(lines[-2][6:])["choices"]
        assert choice["finish_reason"] == "length" and "closing" in choice["stop_reason"]


def test_a_process_with_open_streams_exits_with_0(process):
    """Sixteen streams: half end by themselves within the grace time, half would outlast it."""
    url, begun, _ = process

    async def everything():
        going = asyncio.Semaphore(0)
        async with httpx.AsyncClient(timeout=60) as client:

            async def one(index):
                most = 15_000 if index % 2 else 60
                request = LONG | {"stream": True, "seed": index, "max_tokens": most}
                async with client.stream("POST", f"{url}/v1/completions", json=request) as answer:
                    lines = answer.aiter_lines()
                    first = await anext(lines)
                    going.release()
                    return [first, *[line async for line in lines if line]]

            asked = [asyncio.create_task(one(index)) for index in range(16)]
            for _ in asked:
                await going.acquire()
            begun.send_signal(signal.SIGTERM)
            return await asyncio.gather(*asked)

    for index, lines in enumerate(asyncio.run(everything())):
        assert lines[-1] == "data: [DONE]"
        [choice] = json.loads(lines[-2][6:])["choices"]
        assert choice["finish_reason"] == "length"
        assert ("stop_reason" in choice) == bool(index % 2)
    assert begun.wait(timeout=30) == 0


def test_rows_in_a_crowd_are_those_of_one(served, model):
    """Images of many requests at once, some of which are left, are to the last bit those of one."""

    async def everything():
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:

            async def one(seed):
                if seed % 5 == 4:
                    await leave(served, "/v1/calls/painter/generate",
                                {"n": 900, "labels": 1, "seed": seed}, 0.01)  # fmt: skip
                    return None
                query = {"n": 1 + seed % 7, "labels": seed % 3, "seed": seed}
                answer = await client.post("/v1/calls/painter/generate", params=query,
                                           headers={"accept": "application/x-npy"})  # fmt: skip
                return answer.content

            return await asyncio.gather(*map(one, range(60)))

    for seed, found in enumerate(asyncio.run(everything())):
        if found is not None:
            expected = model("painter").generate(1 + seed % 7, labels=seed % 3, seed=seed)
            assert found.endswith(expected.tobytes())
    served.settle()

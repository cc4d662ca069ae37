"""What is measured of a server: each trial asks it for a while, and returns figures."""

import asyncio
import json
import random
import statistics
import time
from collections.abc import Awaitable, Callable, Iterator
from functools import partial
from itertools import count

from tests.bench.server.client import Client
from tests.bench.server.process import Served

Trial = Callable[[Served], Awaitable[float]]
NPY = "application/x-npy"
FINE, FULL = b"HTTP/1.1 200", b"HTTP/1.1 503"


async def images(
    served: Served, model: str, clients: int, seconds: float, accept: str, each: int = 1
) -> float:
    """Return images a second of clients that each ask for one, or for some, again and again."""
    end, seeds, made = time.perf_counter() + seconds, count(), 0

    async def one() -> None:
        nonlocal made
        async with Client(served.address) as client:
            while time.perf_counter() < end:
                path = f"/v1/calls/{model}/generate?n={each}&seed={next(seeds)}"
                answer = await client.begin(path, accept=accept)
                assert answer.startswith(FINE)
                made += each

    began = time.perf_counter()
    await asyncio.gather(*(one() for _ in range(clients)))
    return made / (time.perf_counter() - began)


async def texts(served: Served, model: str, clients: int, tokens: int, bias: dict) -> float:
    """Return tokens a second of so many streams at once."""

    async def one(seed: int) -> None:
        said = {"model": model, "prompt": "\n", "max_tokens": tokens, "seed": seed}
        said |= {"stream": True, "logit_bias": bias}
        async with Client(served.address) as client:
            answer = await client.begin("/v1/completions", said)
        last = answer[-4096:]
        assert b'"finish_reason":"length"' in last and b"data: [DONE]\n\n" in last

    began = time.perf_counter()
    await asyncio.gather(*map(one, range(clients)))
    return clients * tokens / (time.perf_counter() - began)


async def latency(served: Served, path: str, times: int, accept: str) -> float:
    """Return the median seconds of a request, one after the other."""
    found = []
    async with Client(served.address) as client:
        for _ in range(times):
            began = time.perf_counter()
            answer = await client.begin(path, accept=accept)
            found.append(time.perf_counter() - began)
            assert answer.startswith(FINE)
    return statistics.median(found)


class Load:
    """Requests that come at a rate of their own, whoever answers them how fast.

    Attributes:
        accepted, rejected: seconds of each that was answered, and of each that was refused, since
            it was sent.
        late: seconds that each was sent later than was due, as the processors were taken.
    """

    def __init__(self) -> None:
        self.accepted: list[float] = []
        self.rejected: list[float] = []
        self.late: list[float] = []
        self._idle: list[Client] = []

    async def run(self, served: Served, paths: Iterator[str], rate: float, seconds: float) -> None:
        """Ask at so many requests a second."""
        chance, asked = random.Random(0), set()
        began = due = time.perf_counter()
        while due < began + seconds:
            if (early := due - time.perf_counter()) > 0:
                await asyncio.sleep(early)
            if not self._idle:
                self._idle.append(await Client(served.address).__aenter__())
            client = self._idle.pop()
            sent = time.perf_counter()
            answer = client.begin(next(paths), accept=NPY)
            self.late.append(sent - due)
            answer.add_done_callback(partial(self._take, client, sent))
            answer.add_done_callback(asked.discard)
            asked.add(answer)
            due += chance.expovariate(rate)
        await asyncio.gather(*asked)
        for client in self._idle:
            await client.__aexit__(None, None, None)

    def _take(self, client: Client, sent: float, answer: "asyncio.Future[bytes]") -> None:
        seconds, said = time.perf_counter() - sent, answer.result()
        assert said.startswith((FINE, FULL)), said
        (self.accepted if said.startswith(FINE) else self.rejected).append(seconds)
        self._idle.append(client)


def share(found: list[float], part: float) -> float:
    """Return the seconds that so large a part of requests stays below; none of none."""
    return sorted(found)[min(len(found) - 1, int(part * len(found)))] if found else float("nan")


async def many(served: Served, path: str, requests: int) -> None:
    """Ask so many times, sixteen at once."""
    left = iter(range(requests))

    async def one() -> None:
        async with Client(served.address) as client:
            for _ in left:
                status, _ = await client.ask(path, accept=NPY)
                assert status == 200

    await asyncio.gather(*(one() for _ in range(16)))


async def leaving(served: Served, model: str, clients: int, bias: dict) -> dict[str, float]:
    """Return until when slots are free after clients have left at random, and what was counted."""
    chance = random.Random(0)
    before = await _metric(served, "genzoo_cancelled_total")
    said = {"model": model, "prompt": "\n", "max_tokens": 16_000, "logit_bias": bias}

    async def one(index: int) -> None:
        host, _, port = served.address.partition(":")
        _, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps(said | {"stream": bool(index % 2), "seed": index}).encode()
        head = f"POST /v1/completions HTTP/1.1\r\nhost: x\r\ncontent-length: {len(body)}\r\n\r\n"
        writer.write(head.encode() + body)
        await asyncio.sleep(chance.uniform(0.2, 2))
        writer.close()

    await asyncio.gather(*map(one, range(clients)))
    began = time.perf_counter()
    while await _metric(served, "genzoo_requests_here") or await _metric(
        served, f'genzoo_slots_in_use{{model="{model}"}}'
    ):
        await asyncio.sleep(0.002)
    free = time.perf_counter() - began
    counted = await _metric(served, "genzoo_cancelled_total") - before
    return {"seconds": free, "counted": counted}


async def _metric(served: Served, name: str) -> float:
    async with Client(served.address) as client:
        _, text = await client.ask("/metrics")
    for line in text.decode().splitlines():
        if line.startswith(f"{name} "):
            return float(line.split()[-1])
    return 0.0

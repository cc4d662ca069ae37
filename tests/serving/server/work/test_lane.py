"""What a lane computes can be stopped, and belongs to the context of who asks."""

import asyncio
import threading
import time
from contextvars import ContextVar

import pytest

from serving.runtime.interruption import Interruption, StoppedError, check, current
from serving.server.errors import RequestError
from serving.server.work.lane import Lane

MINE: ContextVar[str] = ContextVar("mine", default="")


def within(work, wanted=None, seconds=20.0):
    """Do work in a lane, asked for by somebody whose context says "me"."""

    async def main():
        MINE.set("me")
        lane = Lane(1, 4, 8, "lane")
        try:
            until = time.monotonic() + seconds
            return await lane.run(work, wanted or Interruption(), until)
        finally:
            lane.close()

    return asyncio.run(main())


def test_work_knows_what_stops_it_and_who_has_asked():
    wanted = Interruption()
    assert within(lambda: (current(), MINE.get()), wanted) == (wanted, "me")


def test_work_that_is_not_wanted_any_more_ends():
    wanted, turns = Interruption(), []

    def work():
        while True:
            turns.append(1)
            if len(turns) == 3:
                wanted.stop(StoppedError("enough"))
            check()

    with pytest.raises(StoppedError, match="enough"):
        within(work, wanted)
    assert len(turns) == 3


def test_work_whose_time_is_over_ends():
    ended = threading.Event()

    def work():
        try:
            while True:
                check()
        finally:
            ended.set()

    with pytest.raises(RequestError, match="took longer") as refused:
        within(work, seconds=0.05)
    assert refused.value.status == 504 and ended.wait(20)


def test_no_more_wait_than_may():
    async def main():
        lane, until, go_on = Lane(1, 1, 8, "lane", most=2), time.monotonic() + 60, threading.Event()
        try:
            asked = [asyncio.create_task(lane.run(go_on.wait, Interruption(), until))
                     for _ in range(3)]  # fmt: skip
            with pytest.raises(RequestError, match="2 requests wait"):
                await asked[2]
            asked[1].cancel()
            await asyncio.sleep(0)
            assert len(lane.line) == 1  # who does not wait any more makes room
            go_on.set()
            assert await asked[0]
            assert not len(lane.line)
        finally:
            lane.close()

    asyncio.run(main())

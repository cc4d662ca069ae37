"""What a lane computes can be stopped, and belongs to the context of who asks."""

import asyncio
import time
from contextvars import ContextVar

import pytest

from serving.runtime.interruption import Interruption, StoppedError, check, current
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

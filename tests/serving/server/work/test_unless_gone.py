"""A block ends where its client goes away, and is left alone where it does not."""

import asyncio

import pytest

from serving.runtime.interruption import Interruption, StoppedError
from serving.server.work.leaving import UnlessGone


class Connection:
    """What ASGI tells of a client."""

    def __init__(self):
        self.messages = asyncio.Queue()

    async def receive(self):
        return {"type": await self.messages.get()}


def test_it_ends_with_its_client_and_not_by_what_else_that_sends():
    async def main():
        connection, wanted, ended = Connection(), Interruption(), []

        async def work():
            async with UnlessGone(connection.receive, wanted, most=60):
                try:
                    await asyncio.Event().wait()
                finally:
                    ended.append(wanted.stopped)

        working = asyncio.create_task(work())
        connection.messages.put_nowait("http.request")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not ended and not working.done()
        connection.messages.put_nowait("http.disconnect")
        with pytest.raises(StoppedError, match="went away"):
            await working
        assert ended == [True]

    asyncio.run(main())


def test_it_ends_where_its_answer_is_not_read():
    async def main():
        wanted = Interruption()
        with pytest.raises(StoppedError, match="does not read"):
            async with UnlessGone(Connection().receive, wanted, most=0):
                await asyncio.Event().wait()
        assert wanted.stopped
        await asyncio.sleep(0)  # whoever was told so can go on

    asyncio.run(main())


def test_a_block_that_ends_by_itself_leaves_nothing_behind():
    async def main():
        connection, wanted = Connection(), Interruption()
        async with UnlessGone(connection.receive, wanted, most=60):
            await asyncio.sleep(0)
        with pytest.raises(ValueError, match="own"):
            async with UnlessGone(connection.receive, wanted, most=60):
                raise ValueError("its own")
        connection.messages.put_nowait("http.disconnect")
        for _ in range(5):
            await asyncio.sleep(0)
        assert not wanted.stopped and asyncio.all_tasks() == {asyncio.current_task()}

    asyncio.run(main())


def test_who_else_wants_it_to_end_is_heard():
    async def main():
        connection = Connection()

        async def work():
            async with UnlessGone(connection.receive, Interruption(), most=60):
                await asyncio.Event().wait()

        working = asyncio.create_task(work())
        await asyncio.sleep(0)
        connection.messages.put_nowait("http.disconnect")
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working

    asyncio.run(main())

"""News go to the event loop together, and what comes right after others waits a moment."""

import asyncio

from serving.server.work.post import PACE, Post


def found_after(*sent):
    """What the loop has got after each letter, sent at a time of its own, at once or not."""
    now, found = [0.0], []

    async def main():
        post, counts = Post(clock=lambda: now[0]), []
        post.begin()
        for letter, (when, at_once) in enumerate(sent):
            now[0] = when
            post.put(found.append, letter)
            await asyncio.to_thread(post.send, at_once)
            await asyncio.sleep(0)
            counts.append(len(found))
        return counts

    counts = asyncio.run(main())
    assert found == sorted(found)
    return counts


def test_what_may_wait_goes_with_the_next_that_does_not():
    soon, later = PACE / 2, PACE * 2
    assert found_after((0, False), (soon, False), (later, False)) == [1, 1, 3]
    assert found_after((0, False), (soon, True), (later, False)) == [1, 2, 3]


def test_what_is_put_before_anybody_listens_is_not_lost():
    found, post = [], Post()
    post.put(found.append, 1)
    post.send()

    async def main():
        post.begin()
        post.send()
        await asyncio.sleep(0)

    asyncio.run(main())
    assert found == [1]

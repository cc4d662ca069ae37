"""The texts of one request, from their orders to their ends; whoever asks, all go this way."""

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass, field

from serving.runtime.interruption import Interruption, StoppedError
from serving.server.errors import too_late
from serving.server.work.admission import Admission
from serving.server.work.draft import UNTOLD, Draft, Likelihood, News, Times
from serving.server.work.post import Post
from serving.server.work.writer import Writer
from serving.text.decoding import Order
from serving.text.tokenizer import Tokenizer

PATIENCE = 1.0  # seconds after its deadline, as a writer says itself that it is too late


@dataclass
class Written:
    """A text that is finished.

    Attributes:
        text: without the prompt and without a stop string.
        reason: why it ended: `stop`, `length` or `content_filter`.
        likelihoods: of its tokens, if they are wanted.
    """

    text: str = ""
    reason: str | None = None
    likelihoods: list[Likelihood] = field(default_factory=list)


class Texts:
    """Has texts written, and gives what is new of them. Belongs to the event loop.

    Within its block the texts are in the making; who leaves it does not want them any more.

    Args:
        orders: what decides each text.
        writer, post, tokenizer: of the model.
        admission: counts them.
        wanted, deadline: of the request, see `serving.server.exchange.Exchange`.
        likeliest: so many tokens are told beside each that was drawn; None for no likelihoods.
        piecemeal: whether there are news at every token; else at the end of each text.
        times: is told how long each text waits, and each token takes.

    Attributes:
        left: how many texts are not finished.

    Raises:
        UsageError: an order that no text can be written of.
    """

    def __init__(
        self,
        orders: Sequence[Order],
        writer: Writer,
        post: Post,
        tokenizer: Tokenizer,
        admission: Admission,
        *,
        wanted: Interruption,
        deadline: float,
        likeliest: int | None = None,
        piecemeal: bool = False,
        times: Times = UNTOLD,
    ) -> None:
        self._writer, self._post, self._admission = writer, post, admission
        self._wanted, self._deadline = wanted, deadline
        self._drafts = [
            Draft(
                tokenizer, order, likeliest, wanted, deadline, self._teller(index), piecemeal, times
            )
            for index, order in enumerate(orders)
        ]
        self.left = len(orders)
        self._new: dict[int, News] = {}  # that nobody has asked for yet, by text
        self._some = asyncio.Event()
        self._error: Exception | None = None

    @property
    def tokens(self) -> int:
        """How many were drawn, of all texts."""
        return sum(len(draft.tokens) for draft in self._drafts)

    def __enter__(self) -> "Texts":
        with ExitStack() as stack:
            stack.enter_context(self._admission.rows(len(self._drafts)))
            stack.callback(self._wanted.stop, StoppedError("nobody waits for it any more"))
            until = self._deadline - time.monotonic() + PATIENCE
            timer = asyncio.get_running_loop().call_later(until, self._fail, too_late())
            stack.callback(timer.cancel)
            self._post.begin()
            for draft in self._drafts:
                self._writer.add(draft)
            self._stack = stack.pop_all()
        return self

    def __exit__(self, *error: object) -> None:
        self._stack.close()

    async def news(self) -> list[tuple[int, News]]:
        """Wait until there is something new; return all of it, with the index of each text.

        Raises:
            Exception: why there will be no more.
        """
        await self._some.wait()
        self._some.clear()
        found, self._new = self._new, {}
        if self._error is not None and not found:
            raise self._error
        self.left -= sum(news.reason is not None for news in found.values())
        if self._error is not None:
            self._some.set()
        return list(found.items())

    async def finished(self) -> list[Written]:
        """Wait for all texts.

        Raises:
            Exception: why there will be none.
        """
        found = [Written() for _ in self._drafts]
        while self.left:
            for index, news in await self.news():
                written = found[index]
                written.text += news.text
                written.likelihoods += news.likelihoods
                written.reason = news.reason
        return found

    def _teller(self, index: int) -> Callable[[News], None]:
        return lambda news: self._post.put(self._take, index, news)

    def _take(self, index: int, news: News) -> None:
        """Add what is new to what nobody has asked for yet."""
        if news.error is not None:
            self._fail(news.error)
            return
        before = self._new.get(index)
        if before is not None:
            likelihoods = before.likelihoods + news.likelihoods
            news = News(before.text + news.text, likelihoods, news.reason or before.reason)
        self._new[index] = news
        self._some.set()

    def _fail(self, error: Exception) -> None:
        self._error = self._error or error
        self._some.set()

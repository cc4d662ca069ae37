"""An answer of texts, whole or as it comes; what differs between endpoints they say themselves."""

import secrets
import time
from abc import ABC, abstractmethod
from collections.abc import AsyncGenerator, Sequence
from typing import Any, ClassVar

from starlette.responses import Response

from serving.server.errors import CLOSING, RequestError, as_refusal, body
from serving.server.exchange import Exchange, as_json, json_response, origin
from serving.server.openai.events import EventStream, event
from serving.server.openai.fields import TextFields
from serving.server.repository import Served
from serving.server.work.draft import News
from serving.server.work.texts import Written
from serving.text.decoding import Order

Document = dict[str, Any]


class Answering(ABC):
    """One request for texts, from the orders of these to its answer.

    Args:
        exchange: that it came with.
        served: the model.
        fields: what it says.
        orders: of the texts, in the order of the choices.
        seed: of the first text.
        read: tokens of all prompts.
        adapter: that they are written with, by its name.
        likeliest: so many tokens are told beside each that was drawn; None for no likelihoods.

    Attributes:
        prefix, whole_name, piece_name: of the answer's id, and its kinds of objects.
    """

    prefix: ClassVar[str]
    whole_name: ClassVar[str]
    piece_name: ClassVar[str]

    def __init__(
        self,
        exchange: Exchange,
        served: Served,
        fields: TextFields,
        orders: Sequence[Order],
        *,
        seed: int,
        read: int,
        adapter: str | None,
        likeliest: int | None,
    ) -> None:
        self._exchange, self._served, self._fields = exchange, served, fields
        self._seed, self._read = seed, read
        self._texts = served.texts(
            orders, exchange, adapter, likeliest=likeliest, piecemeal=fields.stream
        )
        self._begun: Document = {
            "id": f"{self.prefix}-{secrets.token_hex(12)}",
            "object": self.piece_name if fields.stream else self.whole_name,
            "created": int(time.time()),
            "model": fields.model,
            "system_fingerprint": served.hash,
            "seed": seed,
        }
        options = fields.stream_options
        self._tells_usage = options is not None and options.include_usage
        # What all events of a stream share is written once.
        self._head = as_json(self._begun)[:-1] + b',"choices":['
        self._tail = b'],"usage":null}' if self._tells_usage else b"]}"

    @abstractmethod
    def _choice(self, index: int, written: Written) -> Document:
        """Return a text that is finished, as the answer has it."""

    @abstractmethod
    def _pieces(self, index: int, news: News) -> list[Document]:
        """Return what is new of a text, as the events of a stream have it."""

    async def response(self) -> Response:
        """Return the answer."""
        headers = origin(self._served, self._seed)
        if self._fields.stream:
            return await EventStream.begun(self._events(), headers)
        with self._texts as texts:
            written = await texts.finished()
        choices = [self._choice(index, each) for index, each in enumerate(written)]
        return json_response(self._begun | {"choices": choices, "usage": self._usage()}, headers)

    async def _events(self) -> AsyncGenerator[bytes]:
        """Yield the events of a stream; what is wrong before the first is raised."""
        begun, going, refusal = False, set(range(self._texts.left)), None
        try:
            with self._texts as texts:
                while texts.left:
                    pieces = []
                    for index, news in await texts.news():
                        pieces += self._pieces(index, news)
                        going -= {index} if news.reason else set()
                    begun = True
                    yield b"".join(map(self._event, pieces))
        except Exception as error:
            if not begun:
                raise
            refusal = as_refusal(error)
            yield self._broken(refusal, going)
        if self._tells_usage and (refusal is None or refusal.code == CLOSING):
            yield event(as_json(self._begun | {"choices": [], "usage": self._usage()}))
        yield event(b"[DONE]")

    def _broken(self, refusal: RequestError, going: set[int]) -> bytes:
        """Return the events that end a stream early; it has begun, and has a status already."""
        self._exchange.request.scope["state"]["refusal"] = refusal
        if refusal.code != CLOSING:
            return event(as_json(body(refusal, "/v1")))
        # The texts are good as far as they go.
        end, said = News("", (), "length"), {"stop_reason": str(refusal)}
        ends = [each | said for index in sorted(going) for each in self._pieces(index, end)]
        return b"".join(map(self._event, ends))

    def _event(self, choice: Document) -> bytes:
        return event(b"%b%b%b" % (self._head, as_json(choice), self._tail))

    def _usage(self) -> dict[str, int]:
        read, written = self._read, self._texts.tokens
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

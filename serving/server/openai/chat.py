"""`/v1/chat/completions`: the answer to the last message of a conversation."""

from typing import Any

from starlette.responses import Response

from serving.server.bodies import parsed_object
from serving.server.errors import RequestError
from serving.server.exchange import Exchange
from serving.server.limits import Limits
from serving.server.openai import logprobs
from serving.server.openai.answering import Answering, Document
from serving.server.openai.fields import ChatFields, read
from serving.server.openai.messages import read_messages
from serving.server.openai.settings import asked, checked, ordered
from serving.server.repository import Served
from serving.server.work.draft import Likelihood, News
from serving.server.work.texts import Written
from serving.text.decoding import Order


async def answered(exchange: Exchange) -> Response:
    """Answer the last message."""
    server = exchange.server
    document = await exchange.parse(parsed_object, exchange.data, server.limits)
    fields = read(ChatFields, document)
    served, adapter = asked(server.repository, fields.model)
    if "chat" not in served.calls:
        raise RequestError(f"{served.name} cannot chat: it has no chat template; ask "
                           "/v1/completions", param="model", code="model_not_found")  # fmt: skip
    if fields.top_logprobs is not None and not fields.logprobs:
        raise RequestError("top_logprobs is for logprobs; set that to true as well",
                           param="top_logprobs", code="invalid_value")  # fmt: skip
    # In a thread: the template is a program of somebody else's.
    orders, seed = await exchange.aside(_orders, served, fields, server.limits)
    answer = Answer(
        exchange,
        served,
        fields,
        orders,
        seed=seed,
        read=len(orders[0].prompt),
        adapter=adapter,
        likeliest=(fields.top_logprobs or 0) if fields.logprobs else None,
    )
    return await answer.response()


def _orders(served: Served, fields: ChatFields, limits: Limits) -> tuple[list[Order], int]:
    """Return what decides each answer, and the first seed."""
    messages = read_messages(fields.messages, limits.characters)
    if fields.n > limits.rows:
        raise RequestError(f"{fields.n} texts are asked for, {limits.rows} at most", param="n")
    arguments = checked(served, "chat", fields, _most(fields), messages=messages)
    prompt = served.model.conversation(messages)
    return ordered(served, [prompt], fields.n, arguments, limits), arguments["seed"]


def _most(fields: ChatFields) -> int | None:
    """Return how many tokens an answer may have, under its old name or the new one."""
    old, new = fields.max_tokens, fields.max_completion_tokens
    if None not in (old, new) and old != new:
        raise RequestError(f"max_tokens is {old} and max_completion_tokens {new}; give one of them",
                           param="max_completion_tokens", code="invalid_value")  # fmt: skip
    return old if new is None else new


class Answer(Answering):
    """The answer: each text a message of the assistant."""

    prefix, whole_name, piece_name = "chatcmpl", "chat.completion", "chat.completion.chunk"

    def __init__(self, *given: Any, **named: Any) -> None:
        super().__init__(*given, **named)
        self._silent = set(range(self._texts.left))  # of which nothing was told yet

    def _choice(self, index: int, written: Written) -> Document:
        message = {"role": "assistant", "content": written.text, "refusal": None}
        return {
            "index": index,
            "message": message,
            "finish_reason": written.reason,
            "logprobs": self._logprobs(written.likelihoods),
        }

    def _pieces(self, index: int, news: News) -> list[Document]:
        def piece(delta: Document, reason: str | None = None) -> Document:
            return {"index": index, "delta": delta, "finish_reason": reason, "logprobs": None}

        pieces = []
        if index in self._silent:
            self._silent.remove(index)
            pieces.append(piece({"role": "assistant", "content": "", "refusal": None}))
        if news.text or news.likelihoods:
            told = {"logprobs": self._logprobs(news.likelihoods)}
            pieces.append(piece({"content": news.text}) | told)
        if news.reason:
            pieces.append(piece({}, news.reason))
        return pieces

    def _logprobs(self, likelihoods: Any) -> Document | None:
        if not self._fields.logprobs:  # type: ignore[attr-defined]  # of this endpoint's fields
            return None
        return {"content": [self._told(each) for each in likelihoods], "refusal": None}

    def _told(self, each: Likelihood) -> Document:
        tokenizer = self._served.model.tokenizer
        top = [logprobs.one(tokenizer, token, nats) for token, nats in each.likeliest]
        assert each.log_prob is not None
        return logprobs.one(tokenizer, each.token, each.log_prob) | {"top_logprobs": top}


ROUTES = (("POST", "/v1/chat/completions", answered),)

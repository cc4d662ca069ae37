"""`/v1/completions`: texts written on from prompts, at once or as they come."""

import asyncio
import secrets
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import Response, StreamingResponse

from serving.errors import UsageError
from serving.noise import SEED_LIMIT
from serving.numbers import shown
from serving.runtime.interruption import StoppedError
from serving.server.bodies import parsed_object
from serving.server.errors import RequestError, as_refusal, body, too_late
from serving.server.exchange import Exchange, as_json, json_response, origin
from serving.server.limits import Limits
from serving.server.openai.fields import CompletionFields, read
from serving.server.openai.logprobs import Places
from serving.server.repository import Served
from serving.server.work.draft import Draft, Likelihood, News, prompt_likelihoods
from serving.text.sampling_config import SamplingConfig

SETTINGS = ("temperature", "top_p", "frequency_penalty", "presence_penalty", "logit_bias",
            "top_k", "min_p", "repetition_penalty")  # fmt: skip


async def completed(exchange: Exchange) -> Response:
    """Write on from prompts."""
    limits = exchange.server.limits
    document = await exchange.parse(parsed_object, exchange.data, limits)
    fields = read(CompletionFields, document)
    served = exchange.server.repository.get(fields.model)
    if served.writer is None:
        raise RequestError(f"{served.name} writes no texts", param="model", code="model_not_found")
    prompts = await exchange.parse(_prompts, fields, served.model, limits)
    asked = _Asked(exchange, served, fields, prompts)
    if fields.echo and fields.logprobs is not None:
        await asked.read_prompts(fields.logprobs)
    if fields.stream:
        return await asked.stream()
    return await asked.whole()


@dataclass
class _Choice:
    """One text of the answer, as far as it has come."""

    prompt: str
    places: Places
    text: str = ""
    tokens: int = 0
    reason: str | None = None
    likelihoods: list[Likelihood] = field(default_factory=list)
    of_prompt: list[Likelihood] = field(default_factory=list)


class _Asked:
    """One request, from its fields to its answer.

    Args:
        exchange: that it came with.
        served: the model that it is for.
        fields: what it says.
        prompts: tokens of each.
    """

    def __init__(
        self,
        exchange: Exchange,
        served: Served,
        fields: CompletionFields,
        prompts: list[list[int]],
    ) -> None:
        self._exchange, self._served, self._fields = exchange, served, fields
        self._id, self._created = f"cmpl-{secrets.token_hex(12)}", int(time.time())
        self._news: asyncio.Queue[tuple[int, News]] = asyncio.Queue()
        model = served.model
        self._arguments, seed = _checked(served, fields)
        self._seed = seed
        self._prompts = prompts
        self._amount(len(prompts))
        shown_prompts = [model.tokenizer.decode(ids) if fields.echo else "" for ids in prompts]
        rows = [(at, more) for at in range(len(prompts)) for more in range(fields.n)]
        self._choices = [
            _Choice(shown_prompts[at], Places(model.tokenizer, after=not fields.echo))
            for at, _ in rows
        ]
        loop = asyncio.get_running_loop()
        self._drafts = [
            self._draft(index, prompts[at], (seed + more) % SEED_LIMIT, loop)
            for index, (at, more) in enumerate(rows)
        ]

    def _amount(self, prompts: int) -> None:
        limits, fields = self._exchange.server.limits, self._fields
        tokens = prompts * fields.n * fields.max_tokens
        if tokens > limits.tokens:
            raise RequestError(f"{tokens} tokens are asked for, {limits.tokens} at most; ask for "
                               "fewer", param="max_tokens")  # fmt: skip

    def _draft(
        self, index: int, prompt: list[int], seed: int, loop: asyncio.AbstractEventLoop
    ) -> Draft:
        model, exchange, fields = self._served.model, self._exchange, self._fields

        def tell(news: News) -> None:
            with suppress(RuntimeError):  # the server has ended meanwhile
                loop.call_soon_threadsafe(self._news.put_nowait, (index, news))

        stop = [fields.stop] if isinstance(fields.stop, str) else fields.stop or []
        settings = {name: self._arguments[name] for name in SETTINGS if name in self._arguments}
        return Draft(
            tokenizer=model.tokenizer,
            prompt=prompt[-model.context :],
            config=SamplingConfig(**settings),
            seed=seed,
            most=fields.max_tokens,
            stop=stop,
            likeliest=fields.logprobs,
            wanted=exchange.wanted,
            deadline=exchange.deadline,
            tell=tell,
            piecemeal=fields.stream,
        )

    async def read_prompts(self, count: int) -> None:
        """Find how likely the tokens of the prompts are, which are echoed."""
        model = self._served.model
        if max(map(len, self._prompts)) > model.context:
            raise RequestError(
                f"logprobs of an echoed prompt take {model.context} tokens of it at most",
                param="echo",
            )

        def work() -> list[list[Likelihood]]:
            return [prompt_likelihoods(model.step, prompt, count) for prompt in self._prompts]

        found = await self._exchange.compute(self._served, 0, work)
        for index, choice in enumerate(self._choices):
            choice.of_prompt = found[index // self._fields.n]

    # --- answers ---

    async def whole(self) -> Response:
        """Return the answer when all texts are finished."""
        async for _ in self._written():
            pass
        choices = [self._choice(index, each.text, [*each.of_prompt, *each.likelihoods], each.prompt)
                   for index, each in enumerate(self._choices)]  # fmt: skip
        return json_response(self._document(choices) | {"usage": self._usage()}, self._headers())

    async def stream(self) -> Response:
        """Return an answer that comes in pieces; what is wrong at once has a status of its own."""
        pieces = self._written()
        first = await anext(pieces)
        return StreamingResponse(
            self._events(first, pieces),
            headers=self._headers() | {"cache-control": "no-cache"},
            media_type="text/event-stream",
        )

    async def _events(
        self, first: tuple[int, News], pieces: AsyncIterator[tuple[int, News]]
    ) -> AsyncIterator[bytes]:
        told: set[int] = set()
        try:
            yield self._event(*first, told)
            async for index, news in pieces:
                yield self._event(index, news, told)
        except Exception as error:  # it has begun, and has a status already
            refusal = as_refusal(error)
            self._exchange.request.scope["state"]["refusal"] = refusal
            yield _sse(body(refusal, "/v1/completions"))
        else:
            options = self._fields.stream_options
            if options is not None and options.include_usage:
                yield _sse(self._document([]) | {"usage": self._usage()})
        yield b"data: [DONE]\n\n"

    def _event(self, index: int, news: News, told: set[int]) -> bytes:
        of, likelihoods, prompt = self._choices[index], [*news.likelihoods], ""
        if index not in told:
            told.add(index)
            likelihoods, prompt = [*of.of_prompt, *likelihoods], of.prompt
        choice = self._choice(index, news.text, likelihoods, prompt, news.reason)
        return _sse(self._document([choice]))

    async def _written(self) -> AsyncIterator[tuple[int, News]]:
        """Have the texts written, and yield what is new of them until all are finished."""
        exchange, writer = self._exchange, self._served.writer
        assert writer is not None
        metrics, began = exchange.server.metrics, time.monotonic()
        with ExitStack() as stack:
            stack.enter_context(exchange.server.admission.rows(len(self._drafts)))
            stack.callback(exchange.wanted.stop, StoppedError("nobody waits for it any more"))
            for draft in self._drafts:
                writer.add(draft)
            left, first = len(self._drafts), True
            while left:
                index, news = await self._next()
                if first:
                    first = False
                    seconds = time.monotonic() - began
                    metrics.first_token.labels(self._served.name).observe(seconds)
                if news.error is not None:
                    raise news.error
                choice = self._choices[index]
                choice.text += news.text
                choice.likelihoods += news.likelihoods
                choice.reason = news.reason
                left -= news.reason is not None
                yield index, news

    async def _next(self) -> tuple[int, News]:
        # A second more, as the writer says itself when it is too late.
        until = self._exchange.deadline - time.monotonic() + 1
        try:
            return await asyncio.wait_for(self._news.get(), max(until, 0))
        except TimeoutError:
            raise too_late() from None

    # --- words ---

    def _headers(self) -> dict[str, str]:
        return origin(self._served, self._seed)

    def _document(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        return {
            "id": self._id,
            "object": "text_completion",
            "created": self._created,
            "model": self._served.name,
            "system_fingerprint": self._served.hash,
            "seed": self._seed,
            "choices": choices,
        }

    def _usage(self) -> dict[str, int]:
        read = sum(map(len, self._prompts))
        written = sum(len(draft.tokens) for draft in self._drafts)
        return {
            "prompt_tokens": read,
            "completion_tokens": written,
            "total_tokens": read + written,
        }

    def _choice(
        self,
        index: int,
        text: str,
        likelihoods: Sequence[Likelihood],
        prompt: str,
        reason: str | None = None,
    ) -> dict[str, Any]:
        choice = self._choices[index]
        found: dict[str, Any] = {
            "index": index,
            "text": prompt + text,
            "finish_reason": reason or (None if self._fields.stream else choice.reason),
            "logprobs": None,
        }
        if self._fields.logprobs is not None:
            found["logprobs"] = choice.places.told(likelihoods)
        return found


def _checked(served: Served, fields: CompletionFields) -> tuple[dict[str, Any], int]:
    """Return the arguments of the model's own call, as it checks them, and the seed."""
    if "generate" not in served.calls:
        raise RequestError(f"{served.name} writes no texts", param="model", code="model_not_found")
    given = {name: getattr(fields, name) for name in (*SETTINGS, "seed", "n")}
    given["max_new_tokens"] = fields.max_tokens
    named = {name: value for name, value in given.items() if value is not None}
    checked = served.calls["generate"].check((), named)
    seed = checked.get("seed")
    return checked, secrets.randbelow(SEED_LIMIT) if seed is None else int(seed)


def _prompts(fields: CompletionFields, model: Any, limits: Limits) -> list[list[int]]:
    """Return the tokens of each prompt: of texts, or as they are given."""
    given: Any = fields.prompt
    if given is None or given == [] or isinstance(given, str):
        several: list[Any] = [given or ""]
    else:
        several = [given] if isinstance(given[0], int) else given
    if len(several) * fields.n > limits.rows:
        raise RequestError(f"{len(several) * fields.n} texts are asked for, {limits.rows} at most",
                           param="n")  # fmt: skip
    size = sum(map(len, several))
    if size > limits.characters:
        raise RequestError(f"the prompt has {size} characters; expected {limits.characters} at "
                           "most", param="prompt")  # fmt: skip
    return [_tokens(each, model) for each in several]


def _tokens(prompt: str | list[int], model: Any) -> list[int]:
    if isinstance(prompt, str):
        try:
            found: list[int] = model.tokenizer.encode(prompt or model.tokenizer.beginning)
        except UsageError as error:
            raise RequestError(str(error), param="prompt") from None
        return found
    for odd in [token for token in prompt if not 0 <= token < model.tokenizer.size][:1]:
        raise RequestError(f"the prompt has the token {shown(odd)}; expected 0 to "
                           f"{model.tokenizer.size - 1}", param="prompt")  # fmt: skip
    if not prompt:
        raise RequestError("the prompt has no tokens; give one at least", param="prompt")
    return prompt


def _sse(document: dict[str, Any]) -> bytes:
    return b"data: " + as_json(document) + b"\n\n"


ROUTES = (("POST", "/v1/completions", completed),)

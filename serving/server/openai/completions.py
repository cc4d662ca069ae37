"""`/v1/completions`: texts written on from prompts, at once or as they come."""

from typing import Any

from starlette.responses import Response

from serving.errors import UsageError
from serving.numbers import shown
from serving.server.bodies import parsed_object
from serving.server.errors import RequestError
from serving.server.exchange import Exchange
from serving.server.limits import Limits
from serving.server.openai.answering import Answering, Document
from serving.server.openai.fields import CompletionFields, read
from serving.server.openai.logprobs import Places
from serving.server.openai.settings import asked, checked, follows, ordered
from serving.server.repository import Served
from serving.server.work.draft import Likelihood, News, prompt_likelihoods
from serving.server.work.texts import Written
from serving.text.decoding import Order
from serving.text.text import Encoded


async def completed(exchange: Exchange) -> Response:
    """Write on from prompts."""
    server = exchange.server
    document = await exchange.parse(parsed_object, exchange.data, server.limits)
    fields = read(CompletionFields, document)
    served, adapter = asked(server.repository, fields.model)
    away = exchange.aside if served.filtered or follows(fields) else exchange.parse
    prompts, orders, seed = await away(_orders, served, fields, server.limits)
    of_prompts = None
    if fields.echo and fields.logprobs is not None:
        if adapter is not None:
            raise RequestError("logprobs of an echoed prompt are the model's as it is; leave the "
                               "adapter out", param="echo")  # fmt: skip
        of_prompts = await _read_prompts(exchange, served, prompts, fields.logprobs)
    completion = Completion(
        exchange,
        served,
        fields,
        orders,
        seed=seed,
        read=sum(len(each.ids) for each in prompts),
        adapter=adapter,
        likeliest=fields.logprobs,
        echoed=[(of_prompts[at] if of_prompts else [], each) for at, each in enumerate(prompts)],
    )
    return await completion.response()


class Completion(Answering):
    """The answer: each text as it is, after its prompt where that is echoed.

    Args:
        echoed: how likely the tokens of each prompt are, where that is asked for, and the prompt.
    """

    prefix, whole_name, piece_name = "cmpl", "text_completion", "text_completion"

    def __init__(
        self, *given: Any, echoed: list[tuple[list[Likelihood], Encoded]], **named: Any
    ) -> None:
        super().__init__(*given, **named)
        fields, tokenizer = self._fields, self._served.model.tokenizer
        assert isinstance(fields, CompletionFields)
        self._likeliest, count = fields.logprobs, self._texts.left
        rows = [echoed[index // fields.n] for index in range(count)]
        self._places = [Places(tokenizer, after=not fields.echo) for _ in rows]
        # What comes before the first piece of each text:
        self._before = {
            index: (tokenizer.decode(prompt.ids) if fields.echo else "", likelihoods)
            for index, (likelihoods, prompt) in enumerate(rows)
        }

    def _choice(self, index: int, written: Written) -> Document:
        return self._piece(index, written.text, written.likelihoods, written.reason)

    def _pieces(self, index: int, news: News) -> list[Document]:
        return [self._piece(index, news.text, list(news.likelihoods), news.reason)]

    def _piece(
        self, index: int, text: str, likelihoods: list[Likelihood], reason: str | None
    ) -> Document:
        before, of_prompt = self._before.pop(index, ("", []))
        logprobs = None
        if self._likeliest is not None:
            logprobs = self._places[index].told([*of_prompt, *likelihoods])
        return {
            "index": index,
            "text": before + text,
            "finish_reason": reason,
            "logprobs": logprobs,
        }


async def _read_prompts(
    exchange: Exchange, served: Served, prompts: list[Encoded], count: int
) -> list[list[Likelihood]]:
    """Find how likely the tokens of prompts are."""
    model = served.model
    if max(len(each.ids) for each in prompts) > model.context:
        raise RequestError(f"logprobs of an echoed prompt take {model.context} tokens of it at "
                           "most", param="echo")  # fmt: skip

    def work() -> list[list[Likelihood]]:
        return [prompt_likelihoods(model.step, each.ids, count) for each in prompts]

    found: list[list[Likelihood]] = await exchange.compute(served, 0, work)
    return found


def _orders(
    served: Served, fields: CompletionFields, limits: Limits
) -> tuple[list[Encoded], list[Order], int]:
    """Return the prompts, what decides each text, and the first seed."""
    arguments = checked(served, "generate", fields, fields.max_tokens, style=fields.style)
    prompts = served.model.styled(_prompts(fields, served.model, limits), fields.style)
    return prompts, ordered(served, prompts, fields.n, arguments, limits), arguments["seed"]


def _prompts(fields: CompletionFields, model: Any, limits: Limits) -> list[Encoded]:
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
    return [_encoded(each, model) for each in several]


def _encoded(prompt: str | list[int], model: Any) -> Encoded:
    tokenizer = model.tokenizer
    if isinstance(prompt, str):
        try:
            found: Encoded = model.encoded(prompt or tokenizer.beginning)
        except UsageError as error:
            raise RequestError(str(error), param="prompt") from None
        return found
    for odd in [token for token in prompt if not 0 <= token < tokenizer.size][:1]:
        raise RequestError(f"the prompt has the token {shown(odd)}; expected 0 to "
                           f"{tokenizer.size - 1}", param="prompt")  # fmt: skip
    if not prompt:
        raise RequestError("the prompt has no tokens; give one at least", param="prompt")
    return Encoded(prompt, any(map(tokenizer.bytes_of, prompt)))


ROUTES = (("POST", "/v1/completions", completed),)

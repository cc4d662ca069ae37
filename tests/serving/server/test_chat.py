"""Conversations over the OpenAI API, as the unmodified client speaks it, sync and async."""

import asyncio
import json

import pytest

from serving.text.text import TextModel
from tests.serving.text.toy_language import language_model
from tests.serving.tiny_text_bundle import BYTES

openai = pytest.importorskip("openai", reason="openai is not installed")
jsonschema = pytest.importorskip("jsonschema", reason="jsonschema is not installed")

TOKENIZER = language_model(of=BYTES).tokenizer
LETTERS = {  # so that what is written is text
    str(token): -100
    for token in range(TOKENIZER.size)
    if not TOKENIZER.bytes_of(token).isascii() or not TOKENIZER.bytes_of(token)
}
SCHEMA = {
    "type": "object",
    "properties": {"name": {"enum": ["red", "grün"]}, "age": {"type": "integer", "maximum": 99}},
    "required": ["name", "age"],
    "additionalProperties": False,
}
OF_SCHEMA = {
    "type": "json_schema",
    "json_schema": {"name": "person", "schema": SCHEMA, "strict": True},
}


def user(text):
    return {"role": "user", "content": text}


@pytest.fixture
def sync(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def chat(client, *messages, **options):
    given = {"model": "chatter", "max_completion_tokens": 6, "seed": 3} | options
    return client.chat.completions.create(messages=messages or [user("abc ")], **given)


def texts(answer):
    return [choice.message.content for choice in answer.choices]


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0},
        {"temperature": 0.7, "top_p": 0.9, "frequency_penalty": 0.5, "presence_penalty": -0.5},
        {"logit_bias": LETTERS, "stop": ["e", "q"]},
        {"extra_body": {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.3}},
        {"extra_body": {"regex": "(ab|cd){2,3}"}},
        {"max_completion_tokens": 200},  # beyond the window
    ],
)
def test_answers_are_those_of_python(sync, model, options):
    answer = chat(sync, **options)
    most = options.get("max_completion_tokens", 6)
    names = options.keys() - {"extra_body", "max_completion_tokens"}
    given = {name: options[name] for name in names} | options.get("extra_body", {}) | {"seed": 3}
    gpt = model("chatter")
    assert texts(answer) == [gpt.chat([user("abc ")], max_new_tokens=most, **given)]
    conversation = gpt.conversation([user("abc ")])
    [expected] = TextModel.complete(gpt, conversation, most, **given)
    [choice], usage = answer.choices, answer.usage
    reason = {"end": "stop"}.get(expected.reason, expected.reason)
    assert (choice.message.role, choice.finish_reason) == ("assistant", reason)
    read, written = len(conversation.ids), len(expected.ids)
    assert (usage.prompt_tokens, usage.completion_tokens) == (read, written)
    assert usage.total_tokens == read + written
    assert answer.object == "chat.completion" and len(answer.system_fingerprint) == 64


def test_conversations_of_several_turns_and_of_parts(sync, model):
    said = [{"role": "system", "content": "Be red. "}, user("abc"),
            {"role": "assistant", "content": "de"}, user("fgh")]  # fmt: skip
    expected = model("chatter").chat(said, max_new_tokens=6, seed=3)
    assert texts(chat(sync, *said)) == [expected]
    in_parts = [{"type": "text", "text": each} for each in ("f", "gh")]
    assert texts(chat(sync, *said[:-1], user(in_parts))) == [expected]
    # What a client gives back of an answer has fields that are null.
    null = {"refusal": None, "tool_calls": None, "name": None}
    assert texts(chat(sync, *said[:2], said[2] | null, said[3])) == [expected]
    first = chat(sync, user("abc"), logit_bias=LETTERS)
    again = chat(sync, user("abc"), first.choices[0].message, user("x"))
    assert len(again.choices[0].message.content) > 0


def test_the_next_seeds_write_the_next_texts(sync, model):
    answer = chat(sync, n=3)
    expected = [model("chatter").chat([user("abc ")], max_new_tokens=6, seed=s) for s in (3, 4, 5)]
    assert texts(answer) == expected and [each.index for each in answer.choices] == [0, 1, 2]
    fresh = chat(sync, seed=openai.omit)
    assert texts(chat(sync, seed=fresh.seed)) == texts(fresh)
    old = chat(sync, max_tokens=2, max_completion_tokens=openai.omit)
    assert old.usage.completion_tokens == 2


@pytest.mark.parametrize("count", [None, 0, 3])
def test_logprobs(sync, model, count):
    answer = chat(sync, logprobs=True, top_logprobs=openai.omit if count is None else count)
    gpt = model("chatter")
    [expected] = TextModel.complete(gpt, gpt.conversation([user("abc ")]), 6, seed=3)
    found = answer.choices[0].logprobs.content
    assert [each.logprob for each in found] == pytest.approx(expected.log_probs)
    parts = [gpt.tokenizer.bytes_of(token) for token in expected.ids]
    assert [bytes(each.bytes or []) for each in found] == parts
    for each in found:
        likeliest = [other.logprob for other in each.top_logprobs]
        assert len(likeliest) == (count or 0) and likeliest == sorted(likeliest, reverse=True)
        assert not likeliest or likeliest[0] >= each.logprob


def streamed(chunks):
    """Put the pieces of a stream together: texts, reasons, tokens by choice, and usage."""
    pieces, reasons, tokens, usage = {}, {}, {}, None
    for chunk in chunks:
        assert chunk.object == "chat.completion.chunk"
        usage = chunk.usage or usage
        for choice in chunk.choices:
            assert choice.index not in reasons  # nothing comes after the end
            if choice.index not in pieces:
                assert choice.delta.role == "assistant"
            pieces[choice.index] = pieces.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
            if choice.logprobs:
                tokens.setdefault(choice.index, []).extend(choice.logprobs.content)
    return pieces, reasons, tokens, usage


@pytest.mark.parametrize(
    "options",
    [{}, {"n": 3}, {"logprobs": True, "top_logprobs": 2}, {"stop": "e", "logit_bias": LETTERS},
     {"response_format": OF_SCHEMA, "max_completion_tokens": 60}],
)  # fmt: skip
def test_a_stream_gives_the_same_in_pieces(sync, options):
    whole = chat(sync, **options)
    stream = chat(sync, stream=True, stream_options={"include_usage": True}, **options)
    pieces, reasons, tokens, usage = streamed(stream)
    assert [pieces[at] for at in sorted(pieces)] == texts(whole)
    assert [reasons[at] for at in sorted(reasons)] == [each.finish_reason for each in whole.choices]
    assert usage == whole.usage
    if "logprobs" in options:
        assert tokens[0] == whole.choices[0].logprobs.content
    assert streamed(chat(sync, stream=True, **options))[3] is None


@pytest.mark.parametrize(
    ("form", "schema"),
    [
        (OF_SCHEMA, SCHEMA),
        ({"type": "json_schema", "json_schema": {"name": "x", "schema": {"enum": [1, "a"]}}},
         {"enum": [1, "a"]}),
        ({"type": "json_object"}, {"type": "object"}),
    ],
)  # fmt: skip
def test_what_is_written_is_of_the_format_that_is_asked_for(sync, form, schema):
    """Of a network that knows nothing; whatever it would rather write."""
    options = {"response_format": form, "logit_bias": LETTERS, "temperature": 2}
    for seed in range(4):
        answer = chat(sync, seed=seed, max_completion_tokens=400, **options)
        body = {"response_format": form}
        completion = sync.completions.create(model="chatter", prompt="abc ", seed=seed,
            max_tokens=400, logit_bias=LETTERS, temperature=2, extra_body=body)  # fmt: skip
        for choice, text in (
            (answer.choices[0], texts(answer)[0]),
            (completion.choices[0], completion.choices[0].text),
        ):
            if form["type"] == "json_schema":  # any object may be longer than it may be
                assert choice.finish_reason == "stop"
            if choice.finish_reason == "stop":
                jsonschema.validate(json.loads(text), schema)
            else:
                assert text.startswith("{")


def test_the_unmodified_client_reads_what_it_asked_for(sync):
    """`parse` of the client, which sends a strict schema and reads the answer by it."""
    from typing import Literal

    from pydantic import BaseModel

    class Person(BaseModel):
        name: Literal["red", "green"]
        wise: bool

    options = {"seed": 1, "max_completion_tokens": 60, "response_format": Person}
    answer = sync.chat.completions.parse(model="chatter", messages=[user("abc")], **options)
    assert isinstance(answer.choices[0].message.parsed, Person)


def test_any_text_is_no_format(sync):
    assert texts(chat(sync, response_format={"type": "text"})) == texts(chat(sync))


def test_the_async_client_in_a_crowd(served, model):
    """Chats and completions, plain and streamed, share steps, and each is as it is alone."""

    async def everything():
        address = f"{served.url}/v1"
        async with openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:

            async def one(index):
                given = {"model": "chatter", "seed": index, "max_tokens": 1 + 5 * index % 37}
                said = "abcdefgh"[: 1 + index % 8]
                if index % 3 == 0:
                    return (await client.completions.create(prompt=said, **given)).choices[0].text
                create = client.chat.completions.create
                if index % 3 == 1:
                    return texts(await create(messages=[user(said)], **given))[0]
                stream = await create(messages=[user(said)], stream=True, **given)
                return "".join([chunk.choices[0].delta.content or "" async for chunk in stream])

            return await asyncio.gather(*map(one, range(40)))

    for index, found in enumerate(asyncio.run(everything())):
        given = {"max_new_tokens": 1 + 5 * index % 37, "seed": index}
        said = "abcdefgh"[: 1 + index % 8]
        gpt = model("chatter")
        assert found == (
            gpt.chat([user(said)], **given) if index % 3 else gpt.generate(said, **given)
        )
    served.settle()


IMAGE = {"type": "image_url", "image_url": {"url": "data:,"}}


@pytest.mark.parametrize(
    ("options", "words", "param"),
    [
        ({"tools": []}, "tools is not supported; leave it out", "tools"),
        ({"audio": {"voice": "x", "format": "wav"}}, "audio is not supported", "audio"),
        ({"modalities": ["text"]}, "modalities is not supported", "modalities"),
        ({"tool_choice": "none"}, "tool_choice is not supported", "tool_choice"),
        ({"functions": []}, "functions is not supported", "functions"),
        ({"store": True}, "store is not supported", "store"),
        ({"messages": []}, "messages are []", None),
        ({"messages": [{"role": "tool", "content": "x", "tool_call_id": "1"}]},
         "messages.0.tool_call_id is not supported", "messages"),
        ({"messages": [{"role": "tool", "content": "x"}]},
         "messages.0.role is 'tool', which is not supported", "messages"),
        ({"messages": [user("x"), {"role": "user"}]}, "messages.1.content is missing", "messages"),
        ({"messages": [{"content": "x"}]}, "messages.0.role is missing", "messages"),
        ({"messages": [user([IMAGE])]}, "messages.0.content.0 is of the type 'image_url', which",
         "messages"),
        ({"messages": [user([{"type": "text"}])]}, "messages.0.content.0.text is", "messages"),
        ({"messages": [user([])]}, "messages.0.content is []", "messages"),
        ({"messages": ["x"]}, "messages.0 is 'x'", "messages"),
        ({"messages": [user("x"), {"role": "assistant", "content": "y"}]},
         "the last message is the assistant's", None),
        ({"messages": [user("x") | {"name": "me"}]}, "messages.0.name is not", "messages"),
        ({"messages": [user("x" * 2**20), user("x")]}, "characters; expected 1048576", "messages"),
        ({"max_tokens": 2}, "max_tokens is 2 and max_completion_tokens 6", "max_completion_tokens"),
        ({"max_completion_tokens": 0}, "max_new_tokens is 0", None),
        ({"max_completion_tokens": 2**17}, "tokens are asked for", "max_tokens"),
        ({"n": 5000}, "5000 texts are asked for", "n"),
        ({"n": 0}, "n: Input should be greater", "n"),
        ({"top_logprobs": 2}, "top_logprobs is for logprobs", "top_logprobs"),
        ({"logprobs": True, "top_logprobs": 21}, "top_logprobs: Input should be less",
         "top_logprobs"),
        ({"stream_options": {"include_usage": True}}, "stream_options is for streams",
         "stream_options"),
        ({"temperature": -1}, "temperature is -1", None),
        ({"response_format": {"type": "xml"}}, "response_format.type: Input should be 'text'",
         "response_format"),
        ({"response_format": {"type": "json_schema"}}, "json_schema is missing", "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {}}},
         "response_format.json_schema.name is missing", "response_format"),
        ({"response_format": {"type": "json_object"}, "extra_body": {"regex": "a"}},
         "regex as well", "response_format"),
        ({"response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"type": "object", "unevaluatedItems": 3}}}},
         "json_schema cannot be followed", None),
        ({"response_format": {"type": "json_schema", "json_schema": {
            "name": "x", "schema": {"enum": ["x" * 2**17]}}}},
         "json_schema has 131", "json_schema"),
        ({"extra_body": {"regex": "("}}, "regex cannot be followed", None),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_name(sync, options, words, param):
    said = options.get("messages", [user("abc")])
    for stream in ({}, {"stream": True}):
        if "stream_options" in options and stream:
            continue
        with pytest.raises(openai.BadRequestError) as caught:
            sync.chat.completions.create(**{"model": "chatter", "messages": said,
                "max_completion_tokens": 6} | options | stream)  # fmt: skip
        assert words in caught.value.message and caught.value.param == param
        assert "\n" not in caught.value.message


def test_models_that_cannot_chat(sync):
    with pytest.raises(openai.BadRequestError, match="toy cannot chat: it has no chat template"):
        chat(sync, model="toy")
    with pytest.raises(openai.BadRequestError, match="tiny writes no texts"):
        chat(sync, model="tiny")
    with pytest.raises(openai.NotFoundError, match="no model is called 'gone'"):
        chat(sync, model="gone")


def test_a_schema_that_the_model_cannot_follow_is_the_fault_of_the_request(sync):
    """Of a tokenizer that has no braces."""
    with pytest.raises(openai.BadRequestError, match="what json_schema begins with"):
        body = {"response_format": {"type": "json_object"}}
        sync.completions.create(model="toy", prompt="abc", max_tokens=9, extra_body=body)

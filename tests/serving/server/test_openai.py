"""The OpenAI API, as the unmodified client speaks it, sync and async."""

import asyncio
import base64
import io
from codecs import getincrementaldecoder

import numpy as np
import pytest
from PIL import Image

from tests.serving.tiny_text_bundle import CONTEXT

openai = pytest.importorskip("openai", reason="openai is not installed")


@pytest.fixture
def sync(served):
    with openai.OpenAI(base_url=f"{served.url}/v1", api_key="none", max_retries=0) as client:
        yield client


def complete(client, prompt="abc ", **options):
    given = {"model": "toy", "max_tokens": 6, "seed": 3} | options
    return client.completions.create(prompt=prompt, **given)


def texts(answer):
    return [choice.text for choice in answer.choices]


def test_models(sync):
    assert {each.id for each in sync.models.list()} == {"tiny", "painter", "toy", "chatter"}
    assert sync.models.retrieve("toy").owned_by == "genzoo"
    with pytest.raises(openai.NotFoundError, match="no model is called 'gone'") as caught:
        sync.models.retrieve("gone")
    assert caught.value.code == "model_not_found"


@pytest.mark.parametrize(
    "options",
    [
        {},
        {"temperature": 0},
        {"temperature": 0.7, "top_p": 0.9, "frequency_penalty": 0.5, "presence_penalty": -0.5},
        {"logit_bias": {"5": 3, "7": -100}},
        {"extra_body": {"top_k": 3, "min_p": 0.1, "repetition_penalty": 1.3}},
        {"stop": ["e", "中"]},
        {"stop": "h"},
        {"max_tokens": 3 * CONTEXT},
        {"prompt": "abc de. fgh " * 5},
        {"prompt": ""},
    ],
)
def test_texts_are_those_of_python(sync, model, options):
    answer = complete(sync, **options)
    given = {"prompt": "abc ", "max_new_tokens": options.get("max_tokens", 6), "seed": 3}
    others = {name: options[name] for name in options.keys() - {"extra_body", "max_tokens"}}
    [expected] = model("toy").complete(**given | others | options.get("extra_body", {}))
    assert texts(answer) == [expected.text]
    reason = {"end": "stop"}.get(expected.reason, expected.reason)
    assert answer.choices[0].finish_reason == reason
    assert answer.usage.completion_tokens == len(expected.ids)
    assert answer.usage.total_tokens == answer.usage.prompt_tokens + len(expected.ids)
    assert len(answer.system_fingerprint) == 64


def test_many_texts_of_many_prompts(sync, model):
    answer = complete(sync, ["abc ", "d"], n=3)
    expected = [
        model("toy").generate(prompt, 6, seed=seed)
        for prompt in ("abc ", "d")
        for seed in (3, 4, 5)
    ]
    assert texts(answer) == expected
    assert [choice.index for choice in answer.choices] == list(range(6))


def test_prompts_of_tokens(sync, model):
    ids = model("toy").tokenizer.encode("abc ")
    assert texts(complete(sync, ids)) == texts(complete(sync))
    assert texts(complete(sync, [ids, ids[:1]])) == texts(complete(sync, ["abc ", "a"]))


def whole(data):
    """Return the characters that are whole."""
    return getincrementaldecoder("utf-8")(errors="replace").decode(data)


@pytest.mark.parametrize("count", [0, 2, 5])
def test_logprobs(sync, model, count):
    answer = complete(sync, logprobs=count, n=2)
    for choice, seed in zip(answer.choices, (3, 4), strict=True):
        [expected] = model("toy").complete("abc ", 6, seed=seed)
        found, tokenizer = choice.logprobs, model("toy").tokenizer
        assert found.token_logprobs == pytest.approx(expected.log_probs)
        parts = [tokenizer.bytes_of(token) for token in expected.ids]
        assert len(found.tokens) == len(parts)
        for at, (token, top) in enumerate(zip(found.tokens, found.top_logprobs, strict=True)):
            assert top[token] == found.token_logprobs[at] and count <= len(top) <= count + 1
            assert found.text_offset[at] == len(whole(b"".join(parts[:at])))
            if parts[at].isascii() and parts[at]:
                assert token == parts[at].decode()


def test_echo(sync):
    assert texts(complete(sync, echo=True)) == ["abc " + texts(complete(sync))[0]]


@pytest.mark.parametrize("stream", [False, True])
def test_how_likely_an_echoed_prompt_is(sync, model, stream):
    """As programs that measure models ask for it."""
    options = {"echo": True, "logprobs": 2, "max_tokens": 2, "n": 2}
    answer = complete(sync, "abc de", stream=stream, **options)
    chunks = answer if stream else [answer]
    found = [choice.logprobs for chunk in chunks for choice in chunk.choices if choice.index == 1]
    tokens, nats, top, offsets = (
        [each for part in found for each in getattr(part, name)]
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    )
    assert tokens[:6] == list("abc de") and offsets[:6] == list(range(6)) and len(tokens) > 6
    assert nats[0] is None and top[0] is None
    assert nats[1:6] == pytest.approx(model("toy").score("abc de").log_probs)
    assert all(top[at][tokens[at]] == nats[at] for at in range(1, len(tokens)))


def test_a_fresh_seed_is_told(sync):
    answer = complete(sync, seed=openai.omit)
    assert texts(complete(sync, seed=answer.seed)) == texts(answer)


@pytest.mark.parametrize(
    "options",
    [{}, {"n": 3}, {"echo": True}, {"logprobs": 2}, {"stop": "h"}, {"echo": True, "logprobs": 1}],
)
def test_a_stream_gives_the_same_in_pieces(sync, options):
    whole = complete(sync, **options)
    usage, pieces, reasons, tokens = None, {}, {}, {}
    for chunk in complete(sync, stream=True, stream_options={"include_usage": True}, **options):
        usage = chunk.usage or usage
        for choice in chunk.choices:
            pieces[choice.index] = pieces.get(choice.index, "") + choice.text
            reasons[choice.index] = choice.finish_reason or reasons.get(choice.index)
            if choice.logprobs:
                tokens.setdefault(choice.index, []).extend(choice.logprobs.tokens)
    assert [pieces[at] for at in sorted(pieces)] == texts(whole)
    assert [reasons[at] for at in sorted(reasons)] == [each.finish_reason for each in whole.choices]
    assert usage == whole.usage
    if "logprobs" in options:
        assert tokens[0] == whole.choices[0].logprobs.tokens


def test_a_crowd_writes_what_each_writes_alone(served, model):
    """Texts of other lengths, prompts and settings, joining and leaving at every step."""

    def asked(index):
        prompt, heat = "abcdefgh ."[: 1 + index % 10], 0.5 + index % 3
        return {"prompt": prompt, "seed": index, "temperature": heat}, 1 + 5 * index % 37

    async def everything():
        address = f"{served.url}/v1"
        async with openai.AsyncOpenAI(base_url=address, api_key="none", max_retries=0) as client:

            async def one(index):
                given, most = asked(index)
                given |= {"model": "toy", "max_tokens": most}
                if index % 2:
                    return (await client.completions.create(**given)).choices[0].text
                stream = await client.completions.create(stream=True, **given)
                return "".join([chunk.choices[0].text async for chunk in stream])

            return await asyncio.gather(*map(one, range(40)))

    for index, found in enumerate(asyncio.run(everything())):
        given, most = asked(index)
        assert found == model("toy").generate(max_new_tokens=most, **given)
    served.settle()


@pytest.mark.parametrize(
    ("options", "words", "param"),
    [
        ({"extra_body": {"suffix": "x"}}, "suffix is not supported; leave it out", "suffix"),
        ({"best_of": 2}, "best_of is not supported", "best_of"),
        ({"extra_body": {"tools": []}}, "tools is not supported", "tools"),
        ({"extra_body": {"stream_options": {"x": 1}}}, "stream_options.x is not", "stream_options"),
        ({"max_tokens": 0}, "max_new_tokens is 0", None),
        ({"max_tokens": 10**9}, "tokens are asked for", "max_tokens"),
        ({"n": 0}, "n: Input should be greater", "n"),
        ({"n": 5000}, "5000 texts are asked for", "n"),
        ({"temperature": -1}, "temperature is -1", None),
        ({"temperature": "hot"}, "temperature: Input should be a valid number", "temperature"),
        ({"logprobs": 99}, "logprobs: Input should be less", "logprobs"),
        ({"seed": -1}, "seed is -1", None),
        ({"logit_bias": {"999": 1}}, "a token of logit_bias is 999", None),
        ({"stop": ""}, "a stop string is ''", None),
        ({"stop": ["x"] * 17}, "stop: List should have at most 16", "stop"),
        ({"prompt": "XYZ"}, "characters that this model does not know", "prompt"),
        ({"prompt": [999]}, "the prompt has the token 999", "prompt"),
        ({"prompt": [[]]}, "the prompt has no tokens", "prompt"),
        ({"prompt": [[1], "a"]}, "prompt", "prompt"),
        ({"prompt": {"a": 1}}, "prompt", "prompt"),
        ({"echo": True, "logprobs": 1, "prompt": "a" * 99}, "tokens of it at most", "echo"),
        ({"stream": True, "prompt": "XYZ"}, "characters that this model does not know", "prompt"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_said_by_name(sync, options, words, param):
    with pytest.raises(openai.BadRequestError) as caught:
        complete(sync, **options)
    assert words in caught.value.message and caught.value.param == param
    assert caught.value.type == "invalid_request_error"


def test_models_that_write_no_texts(sync):
    with pytest.raises(openai.BadRequestError, match="tiny writes no texts"):
        complete(sync, model="tiny")
    with pytest.raises(openai.NotFoundError):
        complete(sync, model="gone")
    with pytest.raises(openai.NotFoundError, match="there is no such path"):
        sync.embeddings.create(model="toy", input="abc")


def pictures(answer):
    data = [base64.b64decode(each.b64_json) for each in answer.data]
    return np.stack([np.asarray(Image.open(io.BytesIO(each)))[..., None] for each in data])


def test_images_are_those_of_python(sync, model):
    any_digit = sync.images.generate(model="tiny", prompt="any", n=2, extra_body={"seed": 7})
    assert (pictures(any_digit) == model("tiny").generate(2, seed=7)).all()
    for prompt in ("2", " class 2 "):
        options = {"size": "4x4", "response_format": "b64_json", "extra_body": {"seed": 7}}
        answer = sync.images.generate(model="painter", prompt=prompt, n=3, **options)
        assert (pictures(answer) == model("painter").generate(3, labels=2, seed=7)).all()
        assert answer.seed == 7


@pytest.mark.parametrize(
    ("options", "param"),
    [
        ({"prompt": "a cat"}, "prompt"),
        ({"prompt": "3"}, "prompt"),
        ({"prompt": "1", "size": "1024x1024"}, "size"),
        ({"prompt": "1", "response_format": "url"}, "response_format"),
        ({"prompt": "1", "output_format": "webp"}, "output_format"),
        ({"prompt": "1", "quality": "high"}, "quality"),
        ({"prompt": "1", "n": 5000}, None),
        ({"prompt": "1", "model": "toy"}, "model"),
        ({"prompt": "x", "model": "tiny"}, "prompt"),
    ],
)
def test_images_that_cannot_be_had(sync, options, param):
    with pytest.raises(openai.BadRequestError) as caught:
        sync.images.generate(**{"model": "painter"} | options)
    assert caught.value.param == param

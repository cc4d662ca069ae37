"""The same text whoever asks for it, however: texts of all dialects are written together."""

import asyncio

import httpx
import pytest

from tests.serving.server.running import running

MOST = 40


def completion(prompt, seed):
    said = {"model": "chatter", "prompt": prompt, "seed": seed, "max_tokens": MOST}
    return "/v1/completions", said, lambda found: found["choices"][0]["text"]


def chat(prompt, seed):
    said = {"model": "chatter", "messages": [{"role": "user", "content": prompt}]}
    said |= {"seed": seed, "max_tokens": MOST}
    return "/v1/chat/completions", said, lambda found: found["choices"][0]["message"]["content"]


def call(prompt, seed):
    said = {"prompt": prompt, "seed": seed, "max_new_tokens": MOST}
    return "/v1/calls/chatter/generate", said, lambda found: found["text"]


def call_of_chat(prompt, seed):
    said = {"messages": [{"role": "user", "content": prompt}], "seed": seed}
    return "/v1/calls/chatter/chat", said | {"max_new_tokens": MOST}, lambda found: found["text"]


def inference(prompt, seed):
    given = {"name": "prompt", "datatype": "BYTES", "shape": [1], "data": [prompt]}
    said = {"inputs": [given], "parameters": {"seed": seed, "max_new_tokens": MOST}}
    return "/v2/models/chatter/infer", said, lambda found: found["outputs"][0]["data"][0]


DIALECTS = [completion, chat, call, call_of_chat, inference]
CHATS = (chat, call_of_chat)


@pytest.mark.parametrize("clients", [1, 16])
def test_the_same_text_alone_and_in_a_crowd_in_every_dialect(served, model, clients):
    gpt = model("chatter")

    async def everything():
        async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:
            gate = asyncio.Semaphore(clients)

            async def one(dialect, prompt, seed):
                path, said, text_of = dialect(prompt, seed)
                async with gate:
                    answer = await client.post(path, json=said)
                assert answer.status_code == 200, answer.text
                return text_of(answer.json())

            asked = [(d, "abcdef"[: 1 + s % 6], s) for s in range(8) for d in DIALECTS]
            return asked, await asyncio.gather(*(one(*each) for each in asked))

    asked, found = asyncio.run(everything())
    for (dialect, prompt, seed), text in zip(asked, found, strict=True):
        options = {"seed": seed, "max_new_tokens": MOST}
        if dialect in CHATS:
            expected = gpt.chat([{"role": "user", "content": prompt}], **options)
        else:
            expected = gpt.generate(prompt, **options)
        assert text == expected, dialect.__name__


def test_texts_of_every_dialect_share_their_steps(chatter):
    """Five clients of five dialects at once take fewer turns than one after the other."""
    with running([chatter]) as served:
        writer = served.server.repository.get("chatter").writers[None]
        turns, told = [], writer._told

        def counting(drawn, texts, seconds):
            turns.append(drawn)
            told(drawn, texts, seconds)

        writer._told = counting

        async def everything():
            async with httpx.AsyncClient(base_url=served.url, timeout=60) as client:

                async def one(dialect, seed):
                    path, said, _ = dialect("abc", seed)
                    (said.get("parameters") or said)["logit_bias"] = {str(gpt.tokenizer.eos): -100}
                    assert (await client.post(path, json=said)).status_code == 200

                await asyncio.gather(*(one(d, s) for s in range(4) for d in DIALECTS))

        gpt = served.server.repository.get("chatter").model
        asyncio.run(everything())
        assert sum(turns) == 20 * MOST and max(turns) > len(DIALECTS)

"""A server that is killed in the middle of everything: it had nothing to lose."""

import os
import signal

import httpx

from tests.serving.tiny_text_bundle import LANGUAGE

ENDLESS = {"model": "toy", "prompt": "abc ", "max_tokens": 15_000, "stream": True, "seed": 1,
           "logit_bias": {str(LANGUAGE.tokenizer.eos): -10_000}}  # fmt: skip


def test_killed_while_it_writes_it_leaves_nothing_and_begins_again(own, text, tmp_path, begun):
    """No file is anywhere where a program keeps some, and the next answers as the first did."""
    places = [tmp_path / name for name in ("home", "temporary", "cache")]
    for place in places:
        place.mkdir()
    home, temporary, cache = map(str, places)
    environment = {"HOME": home, "TMPDIR": temporary, "XDG_CACHE_HOME": cache, "GENZOO_HOME": cache}
    environment = os.environ | environment
    asked = {"n": 3, "seed": 7}

    def files():
        return {
            path: path.read_bytes()
            for folder in (*places, own, text)
            for path in folder.rglob("*")
            if path.is_file()
        }

    before, answers = files(), []
    for _ in range(2):
        url, process, _ = begun([own, text], environment=environment)
        answers.append(httpx.post(f"{url}/v1/calls/tiny/generate", json=asked).json())
        with httpx.stream("POST", f"{url}/v1/completions", json=ENDLESS, timeout=60) as answer:
            next(answer.iter_lines())
            process.send_signal(signal.SIGKILL)
            assert process.wait(timeout=30) == -signal.SIGKILL
        assert files() == before
    assert answers[0] == answers[1] and answers[0]["seed"] == 7

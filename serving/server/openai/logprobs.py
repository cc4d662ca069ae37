"""Log-probabilities of tokens, as the two endpoints for texts word them."""

from collections.abc import Sequence
from typing import Any

from serving.server.work.draft import Likelihood
from serving.text.tokenizer import Tokenizer


class Places:
    """Where in a text each of its tokens begins, in characters; they are told as they come.

    Args:
        tokenizer: of the model.
        after: whether a text comes before, of which nothing is told.
    """

    def __init__(self, tokenizer: Tokenizer, after: bool) -> None:
        self._length, self._characters = 0, tokenizer.stream(after)
        self._tokenizer = tokenizer

    def told(self, likelihoods: Sequence[Likelihood]) -> dict[str, Any]:
        """Return what is said of the next tokens of the text."""
        tokenizer, offsets = self._tokenizer, []
        for each in likelihoods:
            offsets.append(self._length)
            self._length += len(self._characters.push(each.token))

        def name(token: int) -> str:
            return _name(tokenizer.bytes_of(token), token)

        def among(each: Likelihood) -> dict[str, float] | None:
            if each.log_prob is None:
                return None
            likeliest = {name(token): nats for token, nats in each.likeliest}
            return likeliest | {name(each.token): each.log_prob}

        return {
            "tokens": [name(each.token) for each in likelihoods],
            "token_logprobs": [each.log_prob for each in likelihoods],
            "top_logprobs": [among(each) for each in likelihoods],
            "text_offset": offsets,
        }


def one(tokenizer: Tokenizer, token: int, nats: float) -> dict[str, Any]:
    """Return what `/v1/chat/completions` says of one token."""
    data = tokenizer.bytes_of(token)
    return {"token": _name(data, token), "logprob": nats, "bytes": list(data) or None}


def _name(data: bytes, token: int) -> str:
    """Return a token as text; what is a part of a character, or no text, is told as such.

    Example:
        >>> _name(b"a", 5), _name(bytes([0xC3]), 6), _name(b"", 2)
        ('a', 'bytes:\\\\xc3', '<|2|>')
    """
    if not data:
        return f"<|{token}|>"
    try:
        return data.decode()
    except UnicodeDecodeError:
        return "bytes:" + "".join(f"\\x{byte:02x}" for byte in data)

"""Special tokens in a text: those that are meant, and those that somebody only quotes."""

import re
import secrets
from collections.abc import Mapping, Sequence

import tokenizers

from serving.text.spelling.trusted import AddedToken


class SpecialText:
    """Tells the special tokens that a text is built with from what people wrote into it.

    What people write is quoted before it is put into the text. Then the tokens that are meant are
    written by names that nobody can guess, and the tokenizer, to which all others are plain text,
    knows them by these. So it finds them as it always does, and splits the text at them.

    Args:
        tokenizer: takes special tokens as plain text; it learns the names.
        added: the tokens that were added to it.

    Attributes:
        meant: the token that each name stands for, by number.

    Example:
        >>> from tokenizers import Tokenizer, models
        >>> made = Tokenizer(models.BPE({"<": 0, "s": 1, ">": 2, "<s>": 3}, []))
        >>> token = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False}
        >>> _ = made.add_special_tokens(["<s>"])
        >>> made.encode_special_tokens = True
        >>> text = SpecialText(made, [AddedToken(id=3, content="<s>", special=True, **token)])
        >>> ids = made.encode(text.written("<s>" + text.quoted("<s>"))).ids
        >>> [text.meant.get(number, number) for number in ids]
        [3, 0, 1, 2]
    """

    def __init__(self, tokenizer: tokenizers.Tokenizer, added: Sequence[AddedToken]):
        secret = secrets.token_hex(16)
        special = [token for token in added if token.special]
        self._names = {token.content: f"<{secret}:{token.id}>" for token in special}
        self._quotes = {token.content: f"<{secret}'{token.id}>" for token in special}
        self._back = {quote: content for content, quote in self._quotes.items()}
        self._quoted = re.compile(f"<{secret}'[0-9]+>")
        # Finds added tokens, of those that begin at the same place the longest, and nothing else.
        self._finder = tokenizers.Tokenizer(tokenizers.models.BPE({}, []))
        self._finder.add_tokens(
            [
                tokenizers.AddedToken(
                    token.content, single_word=token.single_word, normalized=False
                )
                for token in added
            ]
        )
        tokenizer.add_tokens(
            [
                tokenizers.AddedToken(
                    self._names[token.content],
                    lstrip=token.lstrip,
                    rstrip=token.rstrip,
                    normalized=token.normalized,
                )
                for token in special
            ]
        )
        self.meant = {
            tokenizer.token_to_id(self._names[token.content]): token.id for token in special
        }

    def quoted(self, text: str) -> str:
        """Return a text whose special tokens are plain text, wherever it is put."""
        return self._replaced(text, self._quotes)

    def written(self, text: str) -> str:
        """Return a text as the tokenizer takes it: by names what is meant, and plainly the rest."""
        return self._with(text, self._names)

    def plain(self, text: str) -> str:
        """Return a text without the special tokens that are meant."""
        return self._with(text, dict.fromkeys(self._names, ""))

    def _with(self, text: str, names: Mapping[str, str]) -> str:
        named = self._replaced(text, names)
        return self._quoted.sub(lambda found: self._back.get(found[0], found[0]), named)

    def _replaced(self, text: str, names: Mapping[str, str]) -> str:
        """Return a text with other words for some of the tokens in it."""
        pieces, done = [], 0
        for begin, end in self._finder.encode(text).offsets:
            pieces += [text[done:begin], names.get(text[begin:end], text[begin:end])]
            done = end
        return "".join([*pieces, text[done:]])

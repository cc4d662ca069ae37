"""What a model that was imported keeps of its source beside the weights, byte for byte.

Its tokenizer says how texts become tokens, its generation settings which tokens end a text, and its
chat template how a conversation is written.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from serving.errors import GenzooError, UsageError
from serving.text.chat import Chat
from serving.text.tokenizer import Tokenizer
from zoo.data import tokenizers

KIND = "given"  # what `data.tokenizer` is of such a model
# Files by what they are to a bundle, as Hugging Face names them.
FILES = {
    "tokenizer": tokenizers.FILE,
    "tokenizer_config": "tokenizer_config.json",
    "chat_template": "chat_template.jinja",
    "generation_config": "generation_config.json",
}


@dataclass(frozen=True)
class Given:
    """The files, and what is known from them.

    Attributes:
        files: contents by name, of those of `FILES` that there are.

    Example:
        >>> settings = b'{"eos_token_id": 2}'
        >>> given = Given({"tokenizer.json": b"{}", "generation_config.json": settings})
        >>> given.ends, given.template
        ([2], None)
    """

    files: dict[str, bytes] = field(default_factory=dict)

    @classmethod
    def read(cls, find: Callable[[str], bytes | None]) -> "Given":
        """Gather the files.

        Args:
            find: takes the name of one and returns its content, None where there is none.

        Raises:
            UsageError: there is no tokenizer.
        """
        found = {file: data for file in FILES.values() if (data := find(file)) is not None}
        if tokenizers.FILE not in found:
            raise UsageError(f"there is no {tokenizers.FILE}, which an imported model keeps")
        return cls(found)

    @classmethod
    def of_directory(cls, directory: Path) -> "Given":
        """Gather the files of a work directory; raises as `read` does."""

        def find(file: str) -> bytes | None:
            return (directory / file).read_bytes() if (directory / file).is_file() else None

        return cls.read(find)

    def write(self, directory: Path) -> dict[str, str]:
        """Write the files, and return their names by what they are."""
        for file, data in self.files.items():
            (directory / file).write_bytes(data)
        return {what: file for what, file in FILES.items() if file in self.files}

    @property
    def tokenizer(self) -> bytes:
        """The content of `tokenizer.json`."""
        return self.files[tokenizers.FILE]

    @property
    def template(self) -> str | None:
        """The chat template, if there is one."""
        data = self.files.get(FILES["chat_template"])
        return None if data is None else data.decode("utf-8", errors="replace")

    @property
    def generation(self) -> dict[str, Any]:
        """The settings of `generation_config.json`."""
        return self._json("generation_config")

    @property
    def ends(self) -> list[int]:
        """The tokens that end a text, of which the first stands between documents."""
        return self.ids("eos_token_id")

    def ids(self, key: str) -> list[int]:
        """Return the tokens that a setting names, one or several or none.

        Raises:
            UsageError: they are no tokens.
        """
        value = self.generation.get(key)
        found = value if isinstance(value, list) else [] if value is None else [value]
        if not all(type(each) is int and each >= 0 for each in found):
            raise UsageError(f"{FILES['generation_config']}: {key} is {value!r}; expected tokens")
        return found

    def processing(self, vocabulary_size: int) -> dict[str, Any]:
        """Return what a runtime must know beside the files, in the words of its processing.

        Args:
            vocabulary_size: tokens that the model has, of which the last may be padding.
        """
        tokens = self.reader(vocabulary_size).size
        words: dict[str, Any] = {"end_tokens": self.ends} if self.ends else {}
        if tokens < vocabulary_size:
            words["tokens"] = tokens
        if self.template is not None:
            words["chat"] = self._special_tokens()
        return words

    def reader(self, vocabulary_size: int) -> Tokenizer:
        """Return the tokenizer as a runtime reads it; see `processing`.

        Raises:
            GenzooError: it is none, or has tokens that the model has not, or the chat template is
                one that cannot be written with.
        """
        tokenizer = Tokenizer(self.tokenizer, ends=self.ends or None, limit=vocabulary_size)
        if self.template is not None:
            Chat(self.template, self._special_tokens(), tokenizer)
        return tokenizer

    def _special_tokens(self) -> dict[str, str]:
        """Return special tokens by the names that chat templates have for them."""
        found = {}
        for key, value in self._json("tokenizer_config").items():
            text = value.get("content") if isinstance(value, dict) else value
            if key.endswith("_token") and isinstance(text, str) and text:
                found[key] = text
        return found

    def _json(self, what: str) -> dict[str, Any]:
        try:
            found = json.loads(self.files.get(FILES[what], b"{}"))
        except (ValueError, RecursionError):
            found = None
        if not isinstance(found, dict):
            raise GenzooError(f"{FILES[what]} is no JSON object; import the model again")
        return found

"""Conversations: from messages to the tokens that a model answers."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from serving.bundle.refusal import plain
from serving.errors import GenzooError, UsageError, first_line
from serving.numbers import shown
from serving.text.tokenizer import Tokenizer

if TYPE_CHECKING:
    from jinja2 import Template

Messages = Sequence[Mapping[str, str]]

ROLES = ("system", "developer", "user", "assistant", "tool")
MOST_SOURCE = 2**18  # bytes of a template; long ones have a tenth


class Chat:
    """Writes conversations as a chat template has them.

    The template is a program of somebody else's. It is run where it can only write, and only so
    much (`serving.text.template`). What looks like a special token in a message is plain text.

    Args:
        source: of the template, in the language of Jinja2.
        names: special tokens by the names that the template has for them, such as `eos_token`.
        tokenizer: of the model.

    Raises:
        GenzooError: the template is too large.

    Example:
        >>> from zoo.data.tokenizers import bpe_tokenizer
        >>> tokenizer = Tokenizer(bpe_tokenizer([], 259).to_str().encode())
        >>> source = "{% for each in messages %}{{ each.content }}{{ eos_token }}{% endfor %}"
        >>> chat = Chat(source, {"eos_token": "<|eos|>"}, tokenizer)
        >>> chat.prompt([{"role": "user", "content": "Hi"}])[-1] == tokenizer.eos
        True
    """

    def __init__(self, source: str, names: Mapping[str, str], tokenizer: Tokenizer):
        if len(source) > MOST_SOURCE:
            raise GenzooError(
                f"the chat template has {len(source)} characters; expected {MOST_SOURCE} at most"
            )
        self._source, self._names, self._tokenizer = source, dict(names), tokenizer
        self._template: Template | None = None

    def prompt(self, messages: Messages, system: str | None = None) -> list[int]:
        """Return the tokens of a conversation that the assistant is to go on with.

        Args:
            messages: each with `role` and `content`, the last not the assistant's.
            system: a message that comes before them, of role `system`.

        Raises:
            UsageError: messages that are none, or that the template refuses.
            GenzooError: the template cannot be run, or does what it may not.
        """
        if system is not None:
            messages = [{"role": "system", "content": system}, *_checked(messages)]
        said = [
            {"role": message["role"], "content": self._tokenizer.quoted(message["content"])}
            for message in _checked(messages)
        ]
        return self._tokenizer.encode_special(self._written(said), "the conversation")

    def _written(self, messages: list[dict[str, str]]) -> str:
        """Return a conversation as the template writes it."""
        from serving.text.template.budget import Budget, spending
        from serving.text.template.environment import ChatEnvironment, RefusalError

        given: dict[str, Any] = {"tools": None, "documents": None} | self._names
        given |= {"messages": messages, "add_generation_prompt": True}
        try:
            with spending(Budget()):
                if self._template is None:
                    self._template = ChatEnvironment().compiled(self._source)
                return self._template.render(given)
        except RefusalError as error:
            reason = plain(str(error), 200)
            raise UsageError(f"the chat template refuses the messages: {reason}") from None
        except Exception as error:  # of whatever kind the mistakes of somebody else's program are
            reason = plain(first_line(error), 200)
            raise GenzooError(
                f"the chat template cannot be used: {reason}; the model needs another one"
            ) from None


def _checked(messages: Messages) -> list[Mapping[str, str]]:
    """Return messages of which each has a role and a text, and the last awaits an answer."""
    example = 'expected a list such as [{"role": "user", "content": "Hello"}]'
    if not isinstance(messages, list | tuple) or not messages:
        raise UsageError(f"messages are {shown(messages)}; {example}")
    for at, message in enumerate(messages, 1):
        if not isinstance(message, Mapping) or {*message} != {"role", "content"}:
            raise UsageError(f"message {at} is {shown(message)}; {example}")
        if message["role"] not in ROLES:
            roles = ", ".join(ROLES)
            raise UsageError(f"the role of message {at} is {shown(message['role'])}; expected one "
                             f"of {roles}")  # fmt: skip
        if not isinstance(message["content"], str):
            raise UsageError(
                f"the content of message {at} is {shown(message['content'])}; expected a string"
            )
    if messages[-1]["role"] == "assistant":
        raise UsageError("the last message is the assistant's; expected one to be answered")
    return list(messages)

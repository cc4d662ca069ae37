"""The promise: the same seed writes the same text, whatever else was asked, and in whatever way.

    GENZOO_CASES=150 python -m pytest tests/serving/families/test_promise.py

tries more than a test run has time for.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any
from unittest import mock

import numpy as np

from serving.families.gpt import GPT
from serving.runtime.session import Bound, Session
from serving.text.text import TextModel

CASES = int(os.environ.get("GENZOO_CASES", "8"))


class Interruption(BaseException):
    """As Ctrl-C, or a client that left."""


@contextmanager
def interruption(after: int) -> Iterator[None]:
    """Interrupt when so many runs of the network have ended, and before anybody knows of the last.

    It is not told, as it is not by who pressed Ctrl-C.
    """
    runs = [0]

    def ending(run):
        def ended(*arguments):
            result = run(*arguments)
            runs[0] += 1
            if runs[0] == after:
                raise Interruption
            return result

        return ended

    with (
        mock.patch.object(Bound, "run", ending(Bound.run)),
        mock.patch.object(Session, "run", ending(Session.run)),
        suppress(Interruption),
    ):
        yield


class Asker:
    """Asks a model for texts in every way, and another one, of which nothing was asked before.

    Args:
        model: what is asked.
        seed: of all that is drawn here.
    """

    def __init__(self, model: GPT, seed: int):
        self.model, self.random = model, np.random.RandomState(seed)
        [written] = model.complete(model.tokenizer.beginning, 3 * model.context, seed=seed)
        self.corpus = [*written.ids, *written.ids]
        self.prompt = self.corpus[:9]

    def fresh(self) -> TextModel:
        """Return the same network without anything that it has read."""
        model = self.model
        return TextModel(model.step, model.tokenizer, model.context, model.new_memory)

    def new_prompt(self) -> str:
        """Return a prompt of up to a window, which often begins as the one before."""
        random, whole = self.random, self.model.context
        common = self.prompt[: random.choice([0, len(self.prompt), random.randint(whole)])]
        begin, length = random.randint(whole), random.choice([1, 2, 9, random.randint(1, whole)])
        piece = self.corpus[begin : begin + length]
        if random.randint(4) == 0:
            piece = piece[:5] * 5  # of which much can be guessed
        self.prompt = [*common, *piece][: whole + 3]
        text = self.model.tokenizer.decode(self.prompt).replace("\ufffd", "")
        return text or self.model.tokenizer.beginning

    def new_options(self) -> dict[str, Any]:
        """Return how a text is drawn."""
        choices = {
            "temperature": [0.0, 0.7, 1.0, 1.3],
            "top_k": [None, 5, min(40, self.model.vocabulary_size)],
            "top_p": [1.0, 0.9],
            "min_p": [0.0, 0.0, 0.05],
            "repetition_penalty": [1.0, 1.0, 1.2],
            "seed": range(2**16),
        }
        drawn = {name: self.random.randint(len(values)) for name, values in choices.items()}
        return {name: choices[name][index] for name, index in drawn.items()}

    def others(self) -> None:
        """Ask for other texts, to the end, for a part, or until something happens."""
        random, model = self.random, self.model
        for _ in range(random.randint(3)):
            prompt, options = self.new_prompt(), self.new_options()
            ask = random.randint(4)
            if ask == 0:
                model.generate(prompt, random.randint(1, 20), **options)
            elif ask == 1:
                with interruption(after=random.randint(1, 6)):
                    model.generate(prompt, 8, prompt_lookup_num_tokens=5, **options)
            elif ask == 2:
                model.generate(prompt, 20, prompt_lookup_num_tokens=5, **options)
            else:
                stream = model.stream(prompt, 9, **options)
                for _ in range(random.randint(3)):
                    next(stream, None)
                stream.close()

    def ask(self) -> None:
        """Compare texts that are asked for in one of the ways with what each is on its own."""
        self.others()
        count, random, model = self.random.randint(1, 60), self.random, self.model
        way = random.randint(4)
        asked = [(self.new_prompt(), self.new_options()) for _ in range(1 + 4 * (way == 0))]
        expected = [self.fresh().generate(prompt, count, **options) for prompt, options in asked]
        prompt, options = asked[0]
        if way == 0:
            together = {name: [each[name] for _, each in asked] for name in options}
            found = model.generate([prompt for prompt, _ in asked], count, **together)
        elif way == 1:
            found = ["".join(model.stream(prompt, count, **options))]
        else:
            found = [
                model.generate(prompt, count, prompt_lookup_num_tokens=9 * (way == 2), **options)
            ]
        assert found == expected, (way, asked, count)


def assert_kept(model: GPT, cases: int = CASES, seed: int = 0) -> None:
    """Ask a model in every way, so many times."""
    asker = Asker(model, seed)
    for _ in range(cases):
        asker.ask()

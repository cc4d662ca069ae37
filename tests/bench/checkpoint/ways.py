"""The same texts written by each: greedily, from prompts of tokens, so many at once."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from tests.bench.peers.text_peers import llama_context
from tests.bench.turns import timed
from tests.bench.worker import Work

WINDOW, MOST_TEXTS = 1024, 16

Write = Callable[[list[list[int]], int], Any]


class Task(NamedTuple):
    """What each does in a turn: so many texts, each read from a prompt and written on."""

    texts: int
    prompt: int
    new: int

    @property
    def counted(self) -> int:
        """The tokens that its speed is of: those read where one is written, or those written."""
        return self.prompt if self.new == 1 else self.texts * self.new


TASKS = {
    "written": Task(texts=1, prompt=16, new=64),
    "prompt": Task(texts=1, prompt=512, new=1),
    "16 at once": Task(texts=16, prompt=16, new=32),
}
FIRST = Task(texts=1, prompt=16, new=1)


@dataclass(frozen=True)
class Case:
    """A checkpoint as a file of llama.cpp's and as a bundle, and the tokens of a text."""

    gguf: Path
    bundle: Path
    ids: tuple[int, ...]
    threads: int

    def prompts(self, task: Task) -> list[list[int]]:
        """Return the tokens of prompts, each from another place of the text."""
        apart = (len(self.ids) - task.prompt) // task.texts
        return [list(self.ids[row * apart :][: task.prompt]) for row in range(task.texts)]


def turn(load: Callable[[Case], Write], case: Case) -> Work:
    """Return what does a task, and returns the seconds that it took."""
    write = load(case)

    def work(what: str | None) -> Any:
        task = FIRST if what is None else TASKS[what]
        prompts = case.prompts(task)
        if what is None:
            return write(prompts, task.new)
        # What was just read may be remembered.
        write([prompts[0][1:3]], 1)
        return timed({what: lambda: write(prompts, task.new)}, 1)[what][0]

    return work


def genzoo(variant: str, case: Case) -> Write:
    """Return what writes with a bundle."""
    import serving

    model = serving.load(case.bundle, device="cpu", variant=variant, threads=case.threads)
    unending = {"logit_bias": dict.fromkeys(model.tokenizer.ends, -1e4)}

    def write(prompts: list[list[int]], new: int) -> list[tuple[int, ...]]:
        texts = [model.tokenizer.decode(ids) for ids in prompts]
        written = model.complete(texts, new, temperature=0, seed=0, **unending)
        return [each.ids for each in written]

    return write


def llama_cpp(exact: bool, case: Case) -> Write:
    """Return what writes with llama.cpp."""
    import llama_cpp as library

    context = llama_context(case.gguf, WINDOW, case.threads, exact, texts=MOST_TEXTS)
    size = library.llama_vocab_n_tokens(
        library.llama_model_get_vocab(library.llama_get_model(context))
    )
    batch = library.llama_batch_init(WINDOW, 0, 1)

    def read(columns: list[list[int]], held: list[int]) -> list[int]:
        """Read on in each text, and return the likeliest token after each."""
        batch.n_tokens, ends = 0, []
        for row, (tokens, begin) in enumerate(zip(columns, held, strict=True)):
            for place, token in enumerate(tokens):
                at = batch.n_tokens
                batch.token[at], batch.pos[at] = token, begin + place
                batch.n_seq_id[at], batch.seq_id[at][0] = 1, row
                batch.logits[at] = place == len(tokens) - 1
                batch.n_tokens += 1
            ends.append(batch.n_tokens - 1)
        if library.llama_decode(context, batch):
            raise RuntimeError("llama.cpp does not read on")
        rows = (library.llama_get_logits_ith(context, end) for end in ends)
        return [int(np.ctypeslib.as_array(row, (size,)).argmax()) for row in rows]

    def write(prompts: list[list[int]], new: int) -> list[list[int]]:
        library.llama_memory_clear(library.llama_get_memory(context), False)
        unread, held = prompts, [0] * len(prompts)
        written: list[list[int]] = [[] for _ in prompts]
        for _ in range(new):
            tokens = read(unread, held)
            held = [begin + len(each) for begin, each in zip(held, unread, strict=True)]
            unread = [[token] for token in tokens]
            for text, token in zip(written, tokens, strict=True):
                text.append(token)
        return written

    return write

"""Other people's programs, given files of ours: what they read, and what they write on."""

import json
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

TRANSFORMERS = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
torch.set_num_threads(1)
answers = []
for folder, prompt, count, texts in json.load(sys.stdin):
    model, found = AutoModelForCausalLM.from_pretrained(folder, output_loading_info=True)
    ids = torch.tensor([prompt])
    with torch.no_grad():
        written = model.generate(ids, max_new_tokens=count, do_sample=False)
        logits = model(ids).logits[0, -1]
    answer = {"class": type(model).__name__, "ids": written[0, len(prompt):].tolist()}
    answer["logits"], answer["left"] = logits.tolist(), [key for key in found if found[key]]
    answer["special"] = [model.generation_config.bos_token_id, model.generation_config.eos_token_id]
    if texts:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        answer["tokens"] = [tokenizer(text)["input_ids"] for text in texts]
        answer["texts"] = [tokenizer.decode(ids) for ids in answer["tokens"]]
    answers.append(answer)
json.dump(answers, sys.stdout)
"""


def in_transformers(asked):
    """Ask `transformers`, in a process of its own, since PyTorch and TensorFlow are not friends.

    `asked` holds of each model the folder, the ids of a prompt, how many to write on, and texts to
    tokenize.
    """
    for package in ("torch", "transformers"):
        if find_spec(package) is None:
            pytest.skip(f"{package} is not installed")
    questions = json.dumps([[str(folder), *rest] for folder, *rest in asked])
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", TRANSFORMERS],
        input=questions,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return json.loads(done.stdout)


class LlamaCpp:
    """A GGUF file in llama.cpp, with everything in float32 that it computes in float32 at all."""

    def __init__(self, file: Path, window: int):
        self.library = pytest.importorskip("llama_cpp")
        from tests.bench.peers.text_peers import llama_context

        self.context = llama_context(file, window, threads=1, exact=True)
        model = self.library.llama_get_model(self.context)
        self.vocabulary = self.library.llama_model_get_vocab(model)
        self.size = self.library.llama_vocab_n_tokens(self.vocabulary)

    def read(self, ids) -> np.ndarray:
        """Read tokens after those before, and return the logits of the next."""
        tokens = (self.library.llama_token * len(ids))(*ids)
        batch = self.library.llama_batch_get_one(tokens, len(tokens))
        assert not self.library.llama_decode(self.context, batch)
        logits = self.library.llama_get_logits_ith(self.context, -1)
        return np.ctypeslib.as_array(logits, (self.size,)).copy()

    def write(self, prompt, count) -> list[int]:
        """Return the likeliest tokens after a prompt."""
        memory = self.library.llama_get_memory(self.context)
        self.library.llama_memory_clear(memory, False)
        unread, written = list(prompt), []
        for _ in range(count):
            unread = [int(self.read(unread).argmax())]
            written += unread
        return written

    def tokens(self, text: str) -> list[int]:
        """Return the ids of a text, in which nothing is a special token."""
        data = text.encode()
        room = (self.library.llama_token * (len(data) + 8))()
        count = self.library.llama_tokenize(
            self.vocabulary, data, len(data), room, len(room), True, False
        )
        assert count >= 0
        return list(room[:count])

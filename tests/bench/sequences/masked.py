"""Gaps of texts filled, and texts as vectors: ours, the bare graph, and optimum on the folder."""

import time
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np

from serving.text.masked.filler import MASK
from tests.bench.peers.peer import Peer
from tests.bench.peers.runtimes import PLAIN, onnxruntime_session, pytorch
from tests.bench.sequences.case import Case
from tests.bench.worker import Work

TASKS = {"gaps filled, one by one": "texts", "texts as vectors, at once": "texts"}
SENTENCE = "the king of England shall not speak a word to night and all his men are gone"


class Way(NamedTuple):
    """How one way does it: the likeliest token in the gap of a text, and vectors of texts."""

    fill: Callable[[str], str]
    embed: Callable[[list[str]], np.ndarray]


def turn(load: Callable[[Case], Way], case: Case) -> Work:
    """Return what does a task, and returns the seconds that it took."""
    way, words = load(case), SENTENCE.split()
    texts = [" ".join(words[at % len(words) :] + words[: at % 11]) for at in range(case.size)]
    gaps = [text.replace(text.split()[1], MASK, 1) for text in texts]

    def work(task: str | None) -> Any:
        if task is None:
            return [way.fill(text) for text in gaps], way.embed(texts)
        begin = time.perf_counter()
        if task == next(iter(TASKS)):
            for text in gaps:
                way.fill(text)
        else:
            way.embed(texts)
        return time.perf_counter() - begin

    return work


def _ours(case: Case) -> Way:
    import serving

    model = serving.load(case.folder, device="cpu", variant=case.variant, threads=case.threads)
    return Way(lambda text: model.fill(text, 1)[0].words[0], model.embed)


def _bare(case: Case) -> Way:
    session = onnxruntime_session(case.graph, case.threads)

    def run(output: str, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        found: np.ndarray = session.run([output], {"input_ids": ids, "attention_mask": mask})[0]
        return found

    return _with(case, run)


def _optimum(case: Case) -> Way:
    from optimum.onnxruntime import ORTModelForFeatureExtraction, ORTModelForMaskedLM

    torch = pytorch(case.threads)
    options = {"session_options": _options(case.threads)}
    models = {
        "logits": ORTModelForMaskedLM.from_pretrained(case.folder, **options),
        "last_hidden_state": ORTModelForFeatureExtraction.from_pretrained(case.folder, **options),
    }

    def run(output: str, ids: np.ndarray, mask: np.ndarray) -> np.ndarray:
        found = models[output](
            input_ids=torch.from_numpy(ids), attention_mask=torch.from_numpy(mask)
        )
        return np.asarray(getattr(found, output))

    return _with(case, run)


def _options(threads: int) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    return options


def _with(case: Case, run: Callable[[str, np.ndarray, np.ndarray], np.ndarray]) -> Way:
    """Return how it is done with what takes the name of an output, tokens and their mask."""
    import tokenizers

    tokenizer = tokenizers.Tokenizer.from_file(str(case.folder / "tokenizer.json"))
    gap = case.manifest.processing["mask_token"]
    special = [number for number, each in tokenizer.get_added_tokens_decoder().items()]

    def encoded(texts: Sequence[str]) -> tuple[np.ndarray, np.ndarray]:
        rows = [each.ids for each in tokenizer.encode_batch(list(texts))]
        ids = np.zeros((len(rows), max(map(len, rows))), np.int64)
        mask = np.zeros_like(ids)
        for at, row in enumerate(rows):
            ids[at, : len(row)], mask[at, : len(row)] = row, 1
        return ids, mask

    def fill(text: str) -> str:
        ids, mask = encoded([text])
        logits = run("logits", ids, mask)[0, int((ids[0] == gap).argmax())]
        logits[special] = -np.inf
        return str(tokenizer.decode([int(logits.argmax())])).strip()

    def embed(texts: list[str]) -> np.ndarray:
        ids, mask = encoded(texts)
        weights = mask[..., None].astype(np.float32)
        states = run("last_hidden_state", ids, mask)
        mean: np.ndarray = (states * weights).sum(1) / weights.sum(1)
        return mean

    return Way(fill, embed)


def _same(ours: Any, theirs: Any) -> bool:
    return ours[0] == theirs[0] and np.allclose(ours[1], theirs[1], atol=1e-3)


def _without_portable(case: Case) -> str:
    return "" if (case.folder / "model.onnx").is_file() else "model.onnx is not in the folder"


PEERS = (
    Peer("genzoo", "onnxruntime", PLAIN, _ours, lambda case: case.graph, _same),
    Peer("bare session", "onnxruntime", PLAIN, _bare, lambda case: case.graph, _same),
    Peer(
        "optimum",
        "optimum",
        "pip install optimum-onnx",
        _optimum,
        lambda case: case.folder / "model.onnx",
        _same,
        unfit=_without_portable,
    ),
)

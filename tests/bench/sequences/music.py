"""Music, the likeliest note each time: ours, and a loop over the same graph."""

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from serving.music.grid import STEPS_PER_BAR, VOICES, Pitches
from serving.music.piece import SILENCE
from tests.bench.peers.peer import Peer
from tests.bench.peers.runtimes import PLAIN, onnxruntime_session
from tests.bench.sequences.case import Case
from tests.bench.worker import Work

Write = Callable[[int], np.ndarray]  # so many bars, notes (T, 4)

TASKS = {"bars, likeliest notes": "bars"}


def turn(load: Callable[[Case], Write], case: Case) -> Work:
    """Return what writes as many bars as the case says, and returns the seconds that it took."""
    write = load(case)

    def work(task: str | None) -> Any:
        if task is None:
            return write(1)
        begin = time.perf_counter()
        write(case.size)
        return time.perf_counter() - begin

    return work


def _ours(case: Case) -> Write:
    import serving

    model = serving.load(case.folder, device="cpu", variant=case.variant, threads=case.threads)
    return lambda bars: np.asarray(model.generate(bars, seed=0, temperature=0, top_p=1).notes)


def _plain(case: Case) -> Write:
    session = onnxruntime_session(case.graph, case.threads)
    processing = case.manifest.processing
    pitches, context = Pitches(processing["lowest"], processing["highest"]), processing["context"]
    past = [each for each in session.get_inputs() if each.name.startswith("past_key_values.")]
    empty = {each.name: np.zeros((1, each.shape[1], 0, each.shape[3]), np.float32) for each in past}

    def write(bars: int) -> np.ndarray:
        wanted = bars * STEPS_PER_BAR * VOICES
        if wanted > context:
            raise ValueError(f"{bars} bars are more than the {context} notes that are seen at once")
        token, cache, tokens = pitches.blank, empty, []
        for at in range(wanted):
            ids, places = np.array([[token]]), np.array([[at]])
            mask = np.ones((1, at + 1), np.int64)
            feeds = {"input_ids": ids, "attention_mask": mask, "position_ids": places}
            logits, *present = session.run(None, feeds | cache)
            cache = dict(zip(cache, present, strict=True))
            token = int(logits[0, -1, : pitches.blank].argmax())
            tokens.append(token)
        notes = np.array(tokens).reshape(-1, VOICES)
        return np.where(notes == 0, SILENCE, notes - 1 + pitches.lowest)

    return write


def _in_time(case: Case) -> str:
    order = case.manifest.processing["order"]
    return "" if order == "time" else f"it draws notes in the order '{order}', and not in time"


PEERS = (
    Peer("genzoo", "onnxruntime", PLAIN, _ours, lambda case: case.graph, np.array_equal),
    Peer(
        "plain loop",
        "onnxruntime",
        PLAIN,
        _plain,
        lambda case: case.graph,
        np.array_equal,
        unfit=_in_time,
    ),
)

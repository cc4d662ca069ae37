"""Every way to write text; see `tests.bench.texts`."""

from __future__ import annotations

import json
import logging
from collections.abc import Callable, Iterator, Sequence
from functools import cache, partial
from operator import eq
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tests.bench import machine
from tests.bench.peers import runtimes
from tests.bench.peers.peer import DEVICES, Peer, unlike
from tests.bench.texts import HAND_WRITTEN, SAMPLED, SPECIAL, VARIANTS, spelled, token_names

if TYPE_CHECKING:
    from serving.runtime.session import Bound
    from tests.bench.texts import Case, Write

MORE_THAN_CACHES = 2**28  # bytes of weights, which then come from memory for each token


def _genzoo(variant: str, case: Case) -> Write:
    import serving

    variant = variant or VARIANTS[case.bits]
    return _streamed(
        serving.load(case.folder, device=case.device, variant=variant, threads=case.threads), case
    )


def _keras(case: Case) -> Write:
    runtimes.tensorflow(case.threads)
    from tests.bench.steps.random_gpt import config_of
    from zoo.transformer import GPT
    from zoo.transformer.writer import writer

    model = GPT(config_of(case.shape))
    model.load_weights(_weights(case))
    return _streamed(writer(model, (case.folder / "tokenizer.json").read_bytes()), case)


def _streamed(model: Any, case: Case) -> Write:
    """Return a `TextModel` as what takes and yields tokens."""
    ids = {name: index for index, name in enumerate(token_names(case.shape.vocabulary), SPECIAL)}

    def write(prompt: Sequence[int], count: int, sampled: bool) -> Iterator[int]:
        settings = SAMPLED if sampled else {"temperature": 0}
        return (ids[piece] for piece in model.stream(spelled(prompt), count, seed=0, **settings))

    return write


def _bare_loop(variant: str, case: Case) -> Write:
    """Return what runs a fused graph again and again on one token, and chooses none."""
    from serving.runtime.session import Session

    shape, file = case.shape, case.graph(variant)
    session = Session(file.read_bytes(), file.name, "cpu", case.threads)
    room = (1, shape.heads, shape.context, shape.width // shape.heads)
    cache_of = {
        f"{layer}.{part}": np.zeros(room, np.float32)
        for layer in range(shape.layers)
        for part in ("key", "value")
    }

    @cache
    def bound(length: int) -> tuple[Bound, np.ndarray, np.ndarray]:
        """Return what reads so many tokens, its mask, and the places of the tokens."""
        seen = length if length > 1 else shape.context  # a step has room for all that follow
        mask, places = np.ones((1, seen), np.int64), np.arange(length)[None]
        tokens = {"input_ids": np.full((1, length), SPECIAL), "attention_mask": mask}
        past = {f"past_key_values.{name}": value for name, value in cache_of.items()}
        present = {f"present.{name}": value for name, value in cache_of.items()}
        logits = {"logits": np.zeros((1, length, shape.vocabulary), np.float32)}
        inputs = tokens | {"position_ids": places} | past
        return session.bind(inputs, logits | present), mask, places

    def write(prompt: Sequence[int], count: int, sampled: bool) -> Iterator[int]:
        step, mask, places = bound(1)
        begin, end = 0, len(prompt) + count - 1
        if len(prompt) > 1:
            bound(len(prompt))[0].run()
            begin = len(prompt)
            yield SPECIAL
        mask[0] = np.arange(shape.context) < begin
        for place in range(begin, end):
            mask[0, place], places[0, 0] = 1, place
            step.run()
            yield SPECIAL

    return write


def _only_reading(case: Case) -> Write:
    read = machine.reader(case.weight_bytes, case.threads)

    def write(prompt: Sequence[int], count: int, sampled: bool) -> Iterator[int]:
        for _ in range(count):
            read()
            yield SPECIAL

    return write


def _genai(variant: str, in_place: bool, case: Case) -> Write:
    import onnxruntime_genai as library

    config = library.Config(str(case.folder))
    decoder = {
        "filename": _file(variant, case).name,
        "session_options": {"intra_op_num_threads": case.threads},
    }
    search = {"past_present_share_buffer": in_place}
    if case.device != "cpu":
        config.append_provider(case.device)
    config.overlay(json.dumps({"model": {"decoder": decoder}, "search": search}))
    model = library.Model(config)

    def write(prompt: Sequence[int], count: int, sampled: bool) -> Iterator[int]:
        parameters = library.GeneratorParams(model)
        settings = SAMPLED if sampled else {}
        parameters.set_search_options(max_length=len(prompt) + count, do_sample=sampled, **settings)
        generator = library.Generator(model, parameters)
        generator.append_tokens(np.array([prompt], np.int32))
        for _ in range(count):
            generator.generate_next_token()
            yield int(generator.get_next_tokens()[0])

    return write


def _pytorch(compiled: bool, half: bool, case: Case) -> Write:
    torch = runtimes.pytorch(case.threads)
    network = torch.load(_network(case), weights_only=False).to(case.device)
    network = network.half() if half else network
    read = runtimes.compiled(torch, network.read, case.device) if compiled else network.read
    tensor = partial(torch.tensor, device=case.device)

    def chosen(logits: Any, sampled: bool) -> Any:
        if not sampled:
            return logits.argmax(-1, keepdim=True)
        values, ids = (logits / SAMPLED["temperature"]).topk(SAMPLED["top_k"])
        return ids.gather(1, torch.multinomial(values.softmax(-1), 1))

    @torch.inference_mode()
    def write(prompt: Sequence[int], count: int, sampled: bool) -> Iterator[int]:
        memory, unread, begin = network.empty_cache(), tensor([prompt]), 0
        for _ in range(count):
            end = begin + unread.shape[1]
            unread = chosen(
                read(unread, torch.arange(begin, end, device=case.device), memory), sampled
            )
            begin = end
            yield unread.item()

    return write


def _llama_cpp(exact: bool, case: Case) -> Write:
    import llama_cpp as library

    context = llama_context(_gguf(case), case.shape.context, case.threads, exact)
    sampler_of = {
        False: _chain(library, library.llama_sampler_init_greedy()),
        True: _chain(
            library,
            library.llama_sampler_init_top_k(SAMPLED["top_k"]),
            library.llama_sampler_init_temp(SAMPLED["temperature"]),
            library.llama_sampler_init_dist(0),
        ),
    }

    def write(prompt: Sequence[int], count: int, sampled: bool) -> Iterator[int]:
        library.llama_memory_clear(library.llama_get_memory(context), False)
        unread, token = (library.llama_token * len(prompt))(*prompt), (library.llama_token * 1)()
        for _ in range(count):
            batch = library.llama_batch_get_one(unread, len(unread))  # which does not keep it
            if library.llama_decode(context, batch):
                raise RuntimeError("llama.cpp does not read on")
            token[0] = library.llama_sampler_sample(sampler_of[sampled], context, -1)
            unread = token
            yield token[0]

    return write


def llama_context(file: Path, window: int, threads: int, exact: bool, texts: int = 1) -> Any:
    """Return llama.cpp with a model loaded and room for a text, or for several that share it.

    Args:
        file: GGUF.
        window: tokens of the longest text.
        threads: how many.
        exact: whether attention and its cache are in float32, as ours are; its own choices are
            float16 and faster.
        texts: that are written at once.
    """
    import llama_cpp as library

    logging.getLogger("llama-cpp-python").setLevel(logging.CRITICAL)
    model = library.llama_model_load_from_file(bytes(file), library.llama_model_default_params())
    if not model:
        raise RuntimeError(f"llama.cpp does not read {file.name}")
    settings = library.llama_context_default_params()
    settings.n_ctx = settings.n_batch = settings.n_ubatch = window
    settings.n_seq_max, settings.kv_unified = texts, True
    settings.n_threads = settings.n_threads_batch = threads
    if exact:
        settings.type_k = settings.type_v = library.GGML_TYPE_F32
        settings.flash_attn_type = library.LLAMA_FLASH_ATTN_TYPE_DISABLED
    return library.llama_init_from_model(model, settings)


def _chain(library: Any, *samplers: Any) -> Any:
    chain = library.llama_sampler_chain_init(library.llama_sampler_chain_default_params())
    for sampler in samplers:
        library.llama_sampler_chain_add(chain, sampler)
    return chain


def _file(variant: str, case: Case) -> Path:
    return case.graph(variant)


def _gguf(case: Case) -> Path:
    return case.folder / "network.gguf"


def _weights(case: Case) -> Path:
    return case.folder / "model.weights.h5"


def _network(case: Case) -> Path:
    return case.folder / "network.pt"


def _float32(case: Case) -> str:
    return "" if case.bits == 32 else "its weights are float32; compare with --bits 32"


def _rounded(case: Case) -> str:
    return "its weights are rounded; compare with --bits 8 or 4" if case.bits == 32 else ""


def _in_caches(case: Case) -> str:
    small = case.weight_bytes < MORE_THAN_CACHES
    return "its weights fit into caches; compare larger ones" if small else ""


def _same_graph(case: Case) -> str:
    return ""


def _ours(
    form: str,
    variant: str,
    unfit: Callable[[Case], str],
    devices: tuple[str, ...] = ("cpu",),
    agrees: Callable = eq,
) -> Peer:
    load, file, name = partial(_genzoo, variant), partial(_file, variant), f"genzoo, {form}"
    return Peer(name, "onnxruntime", runtimes.PLAIN, load, file, agrees, unfit, devices=devices)


def _bare(name: str, variant: str, unfit: Callable[[Case], str]) -> Peer:
    load, file = partial(_bare_loop, variant), partial(_file, variant)
    return Peer(name, "onnxruntime", runtimes.PLAIN, load, file, unlike, unfit)


def _of_genai(form: str, variant: str, unfit: Callable[[Case], str]) -> Peer:
    load, file = partial(_genai, variant, not variant), partial(_file, variant)
    name, devices = f"onnxruntime-genai, {form} graph", DEVICES if variant else ("cpu",)
    return Peer(name, "onnxruntime_genai", runtimes.DEV, load, file, eq, unfit, devices=devices)


def _of_llama_cpp(
    name: str,
    exact: bool = False,
    agrees: Callable = unlike,
    unfit: Callable[[Case], str] = _same_graph,
) -> Peer:
    load = partial(_llama_cpp, exact)
    return Peer(name, "llama_cpp", runtimes.LLAMA_CPP, load, _gguf, agrees, unfit)


def _of_torch(name: str, compiled: bool, half: bool = False) -> Peer:
    load, agrees = partial(_pytorch, compiled, half), unlike if half else eq
    devices = ("cuda",) if half else DEVICES
    return Peer(name, "torch", runtimes.BENCH, load, _network, agrees, _float32, compiled, devices)


PEERS = (
    _ours("fused", "", _same_graph),
    _bare("bare loop", "", _same_graph),
    _bare("bare loop, graph by hand", HAND_WRITTEN, _float32),
    Peer(
        "the weights, read and no more",
        "numpy",
        runtimes.PLAIN,
        _only_reading,
        partial(_file, ""),
        unlike,
        _in_caches,
    ),
    _ours("static", "static", _float32, DEVICES),
    _ours("static, float16", "static-fp16", _float32, ("cuda",), unlike),
    _ours("portable", "fp32", _float32, DEVICES),
    _of_genai("fused", "", _same_graph),
    _of_genai("portable", "fp32", _float32),
    _of_llama_cpp("llama.cpp"),
    _of_llama_cpp("llama.cpp, float32 cache", True, eq, _float32),
    _of_llama_cpp("llama.cpp, float32 cache, weights rounded its way", True, unlike, _rounded),
    _of_torch("PyTorch", compiled=False),
    _of_torch("PyTorch compiled", compiled=True),
    _of_torch("PyTorch, float16", compiled=False, half=True),
    _of_torch("PyTorch compiled, float16", compiled=True, half=True),
    Peer("Keras", "tensorflow", runtimes.TRAIN, _keras, _weights, eq, _float32),
)

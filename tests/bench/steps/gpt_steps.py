"""One training step of a GPT: ours, as `fit` runs it, and a PyTorch user's."""

import argparse
from collections.abc import Callable

import keras
import numpy as np
import tensorflow as tf
import torch

from tests.bench.peers.torch_gpt import TorchGPT
from zoo.training.optimizers import AdamW
from zoo.transformer import GPT, GPTConfig

RATE, DECAY, VOCABULARY = 1e-3, 0.1, 65

Step = Callable[[], object]


def steps(
    arguments: argparse.Namespace, precision: str, policy: str
) -> tuple[Step, Callable[[bool], Step], int]:
    """Return our step, what makes theirs (compiled or not), and the tokens of a step."""
    config = GPTConfig(
        vocabulary_size=VOCABULARY,
        layers=arguments.layers,
        width=arguments.width,
        heads=arguments.width // 32,
        context=arguments.context,
        dropout=arguments.dropout,
    )
    random = np.random.RandomState(0)
    tokens = random.randint(0, VOCABULARY, (arguments.batch, config.context + 1))

    def theirs(compiled: bool) -> Step:
        return _torch_step(config, tokens, precision, arguments.threads, compiled)

    return _our_step(config, tokens, policy), theirs, tokens[:, 1:].size


def _our_step(config: GPTConfig, tokens: np.ndarray, policy: str) -> Step:
    keras.config.set_dtype_policy(policy)
    try:
        model = GPT(config)
    finally:
        keras.config.set_dtype_policy("float32")
    model.compile(AdamW(RATE, weight_decay=DECAY))
    model.make_train_function()
    batch = tokens[:, :-1].astype("int32"), tokens[:, 1:].astype("int32")
    batches = iter(tf.data.Dataset.from_tensors(batch).repeat())
    return lambda: float(model.train_function(batches)["loss"])


def _torch_step(
    config: GPTConfig, tokens: np.ndarray, precision: str, threads: int, compiled: bool
) -> Step:
    torch.set_num_threads(threads)
    model = TorchGPT(config).train()
    optimizer = torch.optim.AdamW(model.parameters(), RATE, weight_decay=DECAY, fused=True)
    ids, targets = (torch.from_numpy(each.copy()) for each in (tokens[:, :-1], tokens[:, 1:]))
    network = torch.compile(model) if compiled else model

    def step() -> float:
        optimizer.zero_grad(set_to_none=True)
        with torch.autocast("cpu", torch.bfloat16, enabled=precision == "bfloat16"):
            loss = network(ids, targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step

"""Graphs that are forgotten once nobody uses them, so that a process can train many models."""

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from tensorflow.python.framework import ops, registry


@contextmanager
def forgotten_graphs() -> Iterator[None]:
    """Within, let every graph own its custom gradients, and take them along when it goes.

    TensorFlow registers each (of SiLU, of attention, of every sum over replicas) under a name of
    its own for ever, and with it the graph that it was traced in: 10 to 25 MB a training run.
    """
    before = ops.gradient_registry
    ops.gradient_registry = _OwnedByGraphs(before)
    try:
        yield
    finally:
        ops.gradient_registry = before


class _OwnedByGraphs(registry.Registry):
    """Another registry's entries, to which custom gradients are added for as long as they live."""

    def __init__(self, other: registry.Registry):
        self._name, self._registry = other._name, other._registry

    def register(self, candidate: Any, name: str | None = None) -> None:
        if name is None or not name.startswith("CustomGradient-"):
            super().register(candidate, name)
            return
        graph = ops.get_default_graph()
        graph.custom_gradients = [*getattr(graph, "custom_gradients", ()), candidate]
        super().register(self._borrowed(candidate, name), name)

    def _borrowed(self, gradient: Callable[..., Any], name: str) -> Callable[..., Any]:
        entries = self._registry
        owned = weakref.ref(gradient, lambda _: entries.pop(name, None))
        return lambda *arguments: owned()(*arguments)

"""Drawing images from the same latents: ours, and every other way to run the same weights.

All take arrays and return arrays, float32 in [0, 1].
"""

import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from serving.bundle import read_manifest
from tests.bench.image_peers import PEERS
from tests.bench.peers import compete
from tests.bench.turns import ratios
from tests.bench.worker import Work
from zoo.hub import find

BATCHES = (1, 64)
AGREEMENT = 1e-4  # most by which the image of a peer may differ from ours, anywhere

Feeds = dict[str, np.ndarray]
Draw = Callable[[Feeds], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A model of the catalogue, with the files that other libraries read of it.

    Attributes:
        name: in the catalogue.
        folder: what `prepare` wrote.
        threads: for each peer.
        seconds: how long one turn takes, at least.
    """

    name: str
    folder: Path
    threads: int
    seconds: float

    @property
    def graph(self) -> Path:
        """The graph that paints."""
        source = find(self.name).directory
        graphs = read_manifest(source).variants["fp32"].graphs
        return source / graphs.get("generator", graphs.get("decoder", ""))

    def feeds(self, batch: int) -> Feeds:
        """Return latents, and labels where the model takes them."""
        sizes = read_manifest(find(self.name).directory).processing
        z = np.random.RandomState(0).standard_normal((batch, sizes.latent_dim))
        labels = {"labels": np.arange(batch) % sizes.classes} if sizes.classes else {}
        return {"z": z.astype(np.float32)} | labels


def measure(
    names: Sequence[str], folder: Path, threads: Sequence[int], seconds: float, rounds: int
) -> Iterator[dict[str, Any]]:
    """Yield a row for each model, number of threads, batch and peer; see the module."""
    for name in names:
        for count in threads:
            case = Case(name, folder / name, count, seconds)
            contest = compete(PEERS, case, turn, BATCHES, rounds, _same)
            same = {"model": name, "threads": count}
            for peer, why in contest.absent.items():
                yield same | {"peer": peer, "absent": why}
            ours = contest.results[PEERS[0].name]
            for peer, results in contest.results.items():
                for batch, times in results.items():
                    speed = batch / float(np.median(times))
                    row = {"batch": batch, "peer": peer, "images_per_second": speed}
                    yield same | row | ratios(ours[batch], times) | vars(contest.parts[peer])


def turn(load: Callable[[Case], Draw], case: Case) -> Work:
    """Return what draws batches of a size for a while, and returns the seconds that one takes."""
    draw, feeds = load(case), cache(case.feeds)

    def timed(batch: int, repeats: int) -> float:
        start = time.perf_counter()
        for _ in range(repeats):
            draw(feeds(batch))
        return (time.perf_counter() - start) / repeats

    @cache
    def repeats(batch: int) -> int:
        timed(batch, 3)
        return max(1, round(case.seconds / timed(batch, 3)))

    def work(batch: int | None) -> Any:
        return draw(feeds(1)) if batch is None else timed(batch, repeats(batch))

    return work


def _same(ours: np.ndarray, theirs: np.ndarray) -> bool:
    of_others = theirs.dtype == ours.dtype  # and not our own pixels
    return not of_others or bool(np.abs(ours - theirs).max() <= AGREEMENT)


def prepare(names: Sequence[str], folder: Path) -> None:
    """Write what the libraries read that do not read bundles."""
    import zoo
    from export import saved_model

    for name in names:
        model = zoo.from_preset(name)
        saved_model.write([painter(model)], folder / name / "saved_model")
        network = _torch_network(model)
        if network is not None:
            import torch

            torch.save(network, folder / name / "network.pt")


def painter(model: Any) -> Any:
    """Return the specification of the graph that paints."""
    from export import gan, vae_graphs

    if model.config.family == "gan":
        return gan.generator(model)
    return vae_graphs.graphs(model)[0]


def _torch_network(model: Any) -> Any:
    """Return the same network in PyTorch with the same weights; None without PyTorch."""
    try:
        from tests.bench import torch_gan, torch_vae
    except ImportError:
        return None
    of_gan = model.config.family == "gan"
    network = (torch_gan.TorchGenerator if of_gan else torch_vae.TorchDecoder)(model.config)
    network.take(model.generator if of_gan else model.decoder)
    return network.eval()

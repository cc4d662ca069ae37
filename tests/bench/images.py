"""Drawing images from the same latents: ours, and every other way to run the same weights.

All take arrays and return arrays, float32 in [0, 1].
"""

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from serving.bundle.manifest import Manifest, read_manifest
from serving.hub import find
from tests.bench.peers.peer import Peer, compete
from tests.bench.turns import ratios
from tests.bench.worker import Work

BATCHES = (1, 64)
# Latents of 100, as Radford et al. have them: dense to 7x7x128, doubled to 14x14x64 and 28x28x1.
# The catalogue's takes 64.
LARGER, LARGER_RECIPE, LATENTS = "dcgan-latent-100", "dcgan-mnist", 100

Feeds = dict[str, np.ndarray]
Draw = Callable[[Feeds], np.ndarray]


@dataclass(frozen=True)
class Case:
    """A model, with the files that other libraries read of it.

    Attributes:
        name: in the catalogue, or LARGER.
        folder: what `write` wrote.
        device: of all peers, `cpu` or `cuda`.
        threads: for each peer.
        seconds: how long one turn takes, about.
    """

    name: str
    folder: Path
    device: str
    threads: int
    seconds: float

    @property
    def source(self) -> Path:
        """The bundle."""
        return self.folder / "bundle" if self.name == LARGER else find(self.name).directory

    @property
    def manifest(self) -> Manifest:
        """What is known of the model."""
        return read_manifest(self.source)

    def graph(self, variant: str = "fp32") -> Path:
        """Return the graph that paints."""
        graphs = self.manifest.variants[variant].graphs
        return self.source / graphs.get("generator", graphs.get("decoder", ""))

    def feeds(self, batch: int) -> Feeds:
        """Return latents, and labels where the model takes them."""
        sizes = self.manifest.processing
        z = np.random.RandomState(0).standard_normal((batch, sizes["latent_dim"]))
        labels = {"labels": np.arange(batch) % sizes["classes"]} if sizes["classes"] else {}
        return {"z": z.astype(np.float32)} | labels


def measure(case: Case, peers: Sequence[Peer], rounds: int) -> Iterator[dict[str, Any]]:
    """Yield a row for each peer and batch; of a peer that takes no part, one that says why."""
    contest = compete(peers, case, turn, BATCHES, rounds)
    same = {"model": case.name, "threads": case.threads}
    ours = contest.results[peers[0].name]
    for batch in BATCHES:
        for way, results in contest.results.items():
            speed = batch / statistics.median(results[batch])
            row = {"batch": batch, "way": way, "per_second": speed, "unit": "images"}
            yield same | row | ratios(ours[batch], results[batch]) | vars(contest.parts[way])
    for way, why in contest.absent.items():
        yield same | {"way": way, "absent": why}


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


def write(folder: Path, name: str) -> None:
    """Write what the libraries read that do not read bundles."""
    from zoo.startup import load_tensorflow

    load_tensorflow()
    import zoo
    from export.families import gan, vae_graphs
    from export.proof import saved_model

    if name == LARGER:
        _write_larger(folder)
    model = zoo.from_preset(folder / "bundle" if name == LARGER else name)
    family = gan if model.config.family == "gan" else vae_graphs
    painter, *_ = family.graphs(model)
    saved_model.write([painter], folder / "saved_model")
    _write_torch(model, folder / "network.pt")


def _write_larger(folder: Path) -> None:
    """Export the larger DCGAN as any model is, with the weights that it would begin training with.

    How fast it is does not depend on what it draws.
    """
    from export import export
    from zoo.recipe import Recipe
    from zoo.training.workdir import WorkDir

    run = WorkDir(folder / "run")
    recipe = Recipe.load(LARGER_RECIPE, {"model.latent_dim": LATENTS})
    run.claim(recipe)
    recipe.build().save_weights(run.best_weights)
    unknown = dict.fromkeys(("dataset", "dataset_license", "git_commit", "hardware"), "none")
    run.write_record(unknown | {"packages": {}, "train_seconds": 0.0})
    variants = ["fp32", "int8"]
    export(run.path, folder / "bundle", formats=["onnx"], variants=variants, name=LARGER)


def _write_torch(model: Any, file: Path) -> None:
    """Write the same network in PyTorch with the same weights, where there is PyTorch."""
    try:
        import torch

        from tests.bench.peers import torch_gan, torch_vae
    except ImportError:
        return
    of_gan = model.config.family == "gan"
    network = (torch_gan.TorchGenerator if of_gan else torch_vae.TorchDecoder)(model.config)
    network.take(model.generator if of_gan else model.decoder)
    torch.save(network.eval(), file)

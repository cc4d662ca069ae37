"""On a GPU: what ships gives its test vectors, text is the CPU's, and replaying is running."""

import numpy as np
import pytest

import serving
from serving.bundle.manifest import read_manifest
from serving.catalogue import models
from serving.hub import find
from serving.hub.opening import open_manifest
from serving.runtime.loaded import checked_graphs
from serving.runtime.session import CUDA, Session
from serving.runtime.shared_memory import SharedMemory
from serving.verify import verify

pytestmark = pytest.mark.gpu
PROMPTS, SEEDS = ["The ", "\n", "import numpy"], [7, 8, 9]
TEXTS = [name for name, entry in models().items() if entry.family == "transformer"]


def failures(name_or_dir, device):
    """What `verify` finds wrong, but for variants that are made for other devices."""
    known = {check.name: check for check in verify(name_or_dir, device)}
    variants = open_manifest(find(name_or_dir)).variants.items()
    mine = {f"results {name}" for name, variant in variants if device in variant.devices}
    assert mine and mine <= set(known)
    return [check for name, check in known.items() if not check.passed and name in mine]


@pytest.mark.parametrize("name", models())
def test_what_ships_gives_its_test_vectors(device, name):
    assert not failures(name, device)


@pytest.mark.parametrize("name", [name for name in models() if name not in TEXTS])
def test_images_are_the_cpus(device, name):
    one, other = (serving.load(name, device=each, variant="fp32") for each in ("cpu", device))
    assert device != "cuda" or CUDA in other.providers
    labels = [3] * 70 if one.classes else None
    difference = one.generate(70, labels, seed=1).astype(int) - other.generate(70, labels, seed=1)
    assert np.abs(difference).max() <= 1


@pytest.mark.parametrize("name", TEXTS)
@pytest.mark.parametrize("temperature", [0, 0.8])
def test_text_is_the_cpus(device, name, temperature):
    one, other = (serving.load(name, device=each, variant="fp32") for each in ("cpu", device))
    settings = {"max_new_tokens": 60, "seed": SEEDS, "temperature": temperature}
    assert other.generate(PROMPTS, **settings) == one.generate(PROMPTS, **settings)


# --- a cache that stays on the device ---


def test_every_variant_gives_its_test_vectors(device, text_bundle):
    assert not failures(text_bundle, device)


def test_the_static_graph_in_half_precision_is_taken_by_itself(device, text_bundle):
    assert serving.load(text_bundle, device=device).variant == "static-fp16"


@pytest.mark.parametrize("temperature", [0, 0.8])
def test_static_text_is_the_cpus(device, text_bundle, temperature):
    one = serving.load(text_bundle, device="cpu", variant="fp32")
    other = serving.load(text_bundle, device=device, variant="static")
    many = 3 * one.context // 2  # the window slides
    settings = {"max_new_tokens": many, "temperature": temperature}
    for prompt in ("The ", "The class"):  # what was read is not read again
        assert other.generate(prompt, seed=7, **settings) == one.generate(
            prompt, seed=7, **settings
        )
    assert other.generate(PROMPTS, seed=SEEDS, **settings) == one.generate(
        PROMPTS, seed=SEEDS, **settings
    )
    assert other.score("An object is a list.").nats == pytest.approx(
        one.score("An object is a list.").nats, rel=1e-4
    )


@pytest.mark.parametrize("variant", ["static", "static-fp16"])
def test_replayed_steps_are_run_ones(device, text_bundle, variant):
    """The same graph, recorded and replayed, and launched operator by operator."""
    manifest = read_manifest(text_bundle)
    interface, sizes = manifest.interface_of(variant)["model"], manifest.processing
    data = checked_graphs(text_bundle, manifest, variant, sizes["context"])["model"]
    sessions = [Session(data, variant, device, replays=replays) for replays in (True, False)]
    replayed, plain = (SharedMemory(each, interface, 2, sizes["context"]) for each in sessions)
    random = np.random.RandomState(0)
    for _ in range(3):  # the second time over, everything is known
        texts = random.randint(0, sizes["vocabulary_size"], (2, 15)).tolist()
        begun = [text[:5] for text in texts]
        np.testing.assert_allclose(replayed.begin(begun), plain.begin(begun), atol=1e-5)
        for ids in zip(*(text[5:] for text in texts), strict=True):
            np.testing.assert_allclose(replayed.step(ids), plain.step(ids), atol=1e-5)
    assert device != "cuda" or [len(each._cuda_graphs) for each in sessions] == [1, 0]

"""Adapters on the road: trained, exported alone and merged, and given to one model at each call."""

import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor

import httpx
import numpy as np
import onnxruntime
import pytest
from openai import NotFoundError, OpenAI
from typer.testing import CliRunner

import export
import serving
from export.cli import joined
from serving.bundle.adapter import ADAPTER_NAME, read_adapter
from serving.bundle.manifest import read_manifest
from serving.bundle.records import MANIFEST_NAME
from serving.errors import UsageError
from serving.server.limits import Limits
from serving.server.metrics import Metrics
from serving.server.repository import Repository
from serving.verify import verify
from tests.export.families.conftest import NAMES
from tests.serving.server.running import running

pytestmark = pytest.mark.long

PROMPTS = ["The ", "import x", "\n"]
MOST = 24
GREEDY = {"max_new_tokens": 64, "temperature": 0}


def test_one_model_with_adapters_writes_what_merged_exports_write(gpt, merged):
    """And between two of them what the base writes, whatever was written before."""
    written = {}
    for name in ("poems", "prose", None, "poems"):
        for prompt in (*PROMPTS, PROMPTS):
            found = gpt.generate(prompt, adapter=name, **GREEDY)
            assert found == merged[name].generate(prompt, **GREEDY)
            assert isinstance(prompt, list) or found == "".join(
                gpt.stream(prompt, adapter=name, **GREEDY)
            )
            written[name, str(prompt)] = found
    assert len({written[name, "The "] for name in (*NAMES, None)}) == 3


def test_logits_are_those_of_merged_exports(gpt, merged):
    ids = gpt.tokenizer.encode("import this")
    for name in (*NAMES, None):
        ours, theirs = gpt._memory(1, name), merged[name]._memory(1)
        expected = theirs.begin([ids])
        assert np.abs(ours.begin([ids]) - expected).max() < 1e-4
        for token in (3, 4, 5):
            assert np.abs(ours.step([token]) - theirs.step([token])).max() < 1e-4
        if name is None:
            np.testing.assert_array_equal(ours.step([6]), theirs.step([6]))
    assert np.abs(merged["poems"]._memory(1).begin([ids]) - expected).max() > 0.1


def test_what_one_adapter_has_read_is_nothing_to_another(gpt):
    """The same prompt twice is not read again by the same adapter, and anew by another."""
    for before, after in (("poems", "prose"), ("poems", None), (None, "poems")):
        gpt.generate("import numpy", 3, seed=1, adapter=before)
        assert gpt._idle[0].adapter == before
        kept = gpt._memory(1, before)
        assert kept.texts[0]
        gpt._idle[:] = [kept]
        assert not gpt._memory(1, after).texts[0]


@pytest.mark.parametrize("name", [*NAMES, None])
def test_a_seed_writes_the_same_text_alone_and_beside_others(gpt, name):
    """To the last bit, with a rank of 1 too, and whatever is asked of which adapter between."""
    options = {"temperature": 0.9, "adapter": name}
    prompts, seeds = ["The ", "x", "import numpy as np"], [7, 8, 9]
    together = gpt.complete(prompts, 20, seed=seeds, **options)
    for prompt, seed, expected in zip(prompts, seeds, together, strict=True):
        gpt.generate("x", 3, seed=0, adapter="poems")
        [alone] = gpt.complete(prompt, 20, seed=seed, **options)
        assert alone == expected
        guessed = gpt.generate(prompt, 20, seed=seed, prompt_lookup_num_tokens=5, **options)
        assert guessed == expected.text


def test_a_text_with_an_adapter_can_be_told_what_to_follow(gpt):
    pytest.importorskip("llguidance", reason="llguidance is not installed")
    asked = {"regex": "(roses|said|[0-9]){3}", "temperature": 0}
    for name in (*NAMES, None):
        [found] = gpt.complete("The ", 30, adapter=name, **asked)
        assert re.fullmatch(asked["regex"], found.text) and found.reason == "end"


def test_the_bundle_says_what_it_takes(adapted):
    assert all(check.passed for check in verify(adapted / "bundle"))
    variant = read_manifest(adapted / "bundle").variants["fused-lora"]
    ports = {port.name: port.axes for port in variant.adapter_inputs("model")}
    assert len(ports) == 8
    assert ports["block_1.attention.project.lora_A"] == [32, "lora_rank"]
    assert ports["block_1.attention.project.lora_B"] == ["lora_rank", 64]
    plain = read_manifest(adapted / "bundle").variants["fused"]
    assert plain.adapters is None and not plain.adapter_inputs("model")


def test_adapters_of_onnx_runtime_act_where_a_run_is_not_bound(adapted, gpt):
    """The same file, by any program that runs the graph."""
    session = onnxruntime.InferenceSession(
        str(adapted / "bundle/model.fused-lora.onnx"), _quiet(), providers=["CPUExecutionProvider"]
    )
    adapter, options = onnxruntime.LoraAdapter(), onnxruntime.RunOptions()
    adapter.Load(str(adapted / "poems/poems.onnx_adapter"))
    options.add_active_adapter(adapter)
    ids = np.array([gpt.tokenizer.encode("import this")])
    feeds = {"input_ids": ids, "attention_mask": np.ones_like(ids),
             "position_ids": np.arange(ids.size)[None]}  # fmt: skip
    for port in session.get_inputs()[3:]:
        feeds[port.name] = np.zeros([1, port.shape[1], 0, port.shape[3]], np.float32)
    logits = session.run(["logits"], feeds, options)[0]
    expected = gpt._memory(1, "poems").begin([ids[0].tolist()])
    np.testing.assert_allclose(logits[:, -1], expected, atol=1e-5)
    assert np.abs(session.run(["logits"], feeds)[0] - logits).max() > 0.1


def _quiet():
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    return options


def test_matrices_of_few_bits_take_adapters_too(adapted):
    model = serving.load(
        adapted / "bundle",
        device="cpu",
        variant="fused-int4-lora",
        adapters={"poems": adapted / "poems"},
    )
    assert model.generate("The ", adapter="poems", **GREEDY) != model.generate("The ", **GREEDY)


def test_an_adapter_is_two_small_files_and_the_same_bytes_again(adapted, tmp_path):
    adapter, data = read_adapter(adapted / "poems")
    assert {path.name for path in (adapted / "poems").iterdir()} == {ADAPTER_NAME, adapter.file}
    assert (adapter.name, adapter.rank, adapter.alpha) == ("poems", 4, 8.0)
    assert (adapter.base.name, adapter.targets) == ("tiny-gpt", ["project", "merge"])
    assert adapter.license == "Apache-2.0" and adapter.provenance.seed == 0
    assert len(data) < 4 * adapter.parameters + 4096
    assert str(adapted) not in json.dumps(adapter.base.model_dump())
    export.export_adapter(adapted / "run-poems", tmp_path / "again")
    for path in (adapted / "poems").iterdir():
        assert (tmp_path / "again" / path.name).read_bytes() == path.read_bytes()


def test_the_command_line(adapted, tmp_path):
    run = CliRunner().invoke
    out = tmp_path / "alone"
    made = run(joined(), ["export", str(adapted / "run-prose"), "--adapter", "--out", str(out)])
    assert made.exit_code == 0 and "is an adapter" in made.output
    words = ["generate", str(adapted / "bundle"), "--prompt", "The ", "--max-new-tokens", "20"]
    words += ["--temperature", "0", "--device", "cpu", "--out", "-"]
    merged = ["generate", str(adapted / "merged-prose"), *words[2:]]
    found, expected = run(joined(), [*words, "--adapter", str(out)]), run(joined(), merged)
    assert found.exit_code == 0 and found.stdout == expected.stdout != run(joined(), words).stdout


# --- of a model that is served: each request says which, and all are written at once ---


@pytest.fixture(scope="module")
def server(adapted):
    adapters = {name: adapted / name for name in NAMES}
    with running([adapted / "bundle"], adapters=adapters) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return OpenAI(base_url=f"{server.url}/v1", api_key="none", max_retries=0)


def test_every_request_is_written_with_its_own_adapter(server, client, gpt):
    name = gpt.manifest.name

    def completed(prompt, seed, adapter):
        model = name if adapter is None else f"{name}:{adapter}"
        answer = client.completions.create(
            model=model, prompt=prompt, seed=seed, max_tokens=MOST, temperature=1
        )
        assert answer.model == model
        return answer.choices[0].text

    def called(prompt, seed, adapter):
        said = {"prompt": prompt, "seed": seed, "max_new_tokens": MOST}
        said |= {} if adapter is None else {"adapter": adapter}
        answer = httpx.post(f"{server.url}/v1/calls/{name}/generate", json=said, timeout=60)
        return answer.raise_for_status().json()["text"]

    asked = [("import x", seed, adapter) for seed in range(3) for adapter in (*NAMES, None)]
    expected = [gpt.generate(p, MOST, seed=seed, adapter=adapter) for p, seed, adapter in asked]
    with ThreadPoolExecutor(len(asked)) as crowd:
        for ask in (completed, called):
            assert list(crowd.map(lambda each, ask=ask: ask(*each), asked)) == expected
    assert len(set(expected[:3])) == 3


def test_they_are_listed_and_others_refused(server, client, gpt):
    name = gpt.manifest.name
    models = [f"{name}:{each}" for each in NAMES]
    assert [each.id for each in client.models.list()] == [name, *models]
    assert client.models.retrieve(models[0]).id == models[0]
    for model in (f"{name}:odes", f"{name}:"):
        with pytest.raises(NotFoundError, match=f"has no adapter .*; it has {', '.join(NAMES)}"):
            client.completions.create(model=model, prompt="a")
    answer = httpx.post(f"{server.url}/v1/calls/{name}/generate", json={"adapter": "odes"})
    assert answer.status_code == 400 and "'odes'" in answer.json()["error"]["message"]


def test_an_adapter_of_no_model_is_refused(adapted):
    with pytest.raises(UsageError, match="'poems' is a change of none of these models"):
        Repository([adapted / "merged-prose"], {"poems": adapted / "poems"})


def test_adapters_are_taken_anew_and_never_lost(adapted, tmp_path):
    bundle, adapter = tmp_path / "bundle", tmp_path / "adapter"
    shutil.copytree(adapted / "bundle", bundle)
    shutil.copytree(adapted / "poems", adapter)
    limits, metrics = Limits(), Metrics()
    repository = Repository([bundle], {"mine": adapter}, device="cpu", threads=1)
    [served] = repository
    assert repository.renewed(served.name, limits, metrics) is None
    shutil.rmtree(adapter)
    shutil.copytree(adapted / "prose", adapter)
    fresh = repository.renewed(served.name, limits, metrics)
    assert fresh.adapters != served.adapters and "mine" in fresh.writers
    fresh.close()
    shutil.rmtree(bundle)
    shutil.copytree(adapted / "merged-prose", bundle)
    document = (bundle / MANIFEST_NAME).read_text()
    (bundle / MANIFEST_NAME).write_text(
        document.replace('"name": "prose"', f'"name": "{served.name}"', 1)
    )
    with pytest.raises(UsageError, match="adapter 'mine' is no change of the new"):
        repository.renewed(served.name, limits, metrics)

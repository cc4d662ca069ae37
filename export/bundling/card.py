"""The model card: what a bundle is, how it is used, and every number that was measured."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from export.families.exporter import Exporter
from serving.bundle.manifest import Manifest
from serving.bundle.markdown import escape, table
from serving.bundle.records import Port
from serving.loader import runtime_of
from serving.terminal import clean

LIBRARY = "genzoo"


def render(manifest: Manifest, exporter: Exporter, samples: Any) -> str:
    """Return the card of a bundle, as Markdown with the head that Hugging Face reads.

    Args:
        manifest: of the bundle.
        exporter: of the model.
        samples: what it makes; shown in words, or by the picture of them.

    Whatever comes from outside (the summary, the data set's name, the recipe) is escaped: it can
    add no heading, no link and no key.
    """
    unit = exporter.content.unit
    sections = [
        f"---\n{_yaml(_head(manifest, exporter))}---\n",
        f"# {manifest.name}\n",
        f"{escape(manifest.summary)}\n",
        _samples(manifest, exporter, samples),
        _use(manifest, exporter),
        _interface(manifest, exporter),
        _variants(manifest, exporter),
        _metrics(manifest, unit),
        *(_training(manifest, part) for part in manifest.parts),
        _limitations(manifest, exporter),
    ]
    return "\n".join(sections)


def _head(manifest: Manifest, exporter: Exporter) -> dict[str, Any]:
    dataset = manifest.provenance.dataset
    head: dict[str, Any] = {
        **_license(manifest.license.lower()),
        "library_name": LIBRARY,
        "pipeline_tag": exporter.pipeline_tag,
        "tags": [LIBRARY, "onnx", "keras", *exporter.tags],
        "datasets": [dataset],
    }
    if not manifest.metrics:
        return head
    head["metrics"] = [metric["name"] for metric in manifest.metrics]
    measured = [
        {"type": metric["name"], "name": _metric_name(metric), "value": metric["value"]}
        for metric in manifest.metrics
    ]
    result = {
        "task": {"type": exporter.pipeline_tag},
        "dataset": {"type": dataset, "name": dataset, "split": "test"},
        "metrics": measured,
    }
    head["model-index"] = [{"name": manifest.name, "results": [result]}]
    return head


def _samples(manifest: Manifest, exporter: Exporter, samples: Any) -> str:
    words = exporter.content.words(samples, manifest.processing)
    if words is None:
        links = [f"[{said}]({file})" for file, said in exporter.content.beside.items()]
        heard = f"\n{', '.join(links)}.\n" if links else ""
        by = "".join(f"- {escape(credit)}\n" for credit in exporter.credits)
        credits = f"\nMade of these photographs, changed:\n\n{by}" if by else ""
        return f"![Samples of {manifest.name}](samples.png)\n{heard}{credits}"
    return _fenced(clean(words), "text")


def _use(manifest: Manifest, exporter: Exporter) -> str:
    calls = runtime_of(manifest).declared(manifest)
    first = next(iter(calls.values()))
    python = f"import serving  # pip install genzoo\n\nresult = {first.python(manifest.name)}\n"
    shell = "\n".join(call.shell(manifest.name) for call in calls.values())
    given = "seed" if any("seed" in call.parameters for call in calls.values()) else "input"
    lines = [
        "## Use\n",
        "`serving.load` takes the name of a published model, or the folder that holds this card.\n",
        _fenced(python, "python"),
        f"What it can do; `genzoo CALL {manifest.name} --help` says the rest:\n",
        _fenced(shell, "console"),
        f"The same {given} gives the same {exporter.content.noun}s in Keras, SavedModel and ONNX "
        "Runtime.\n",
    ]
    if "fp32" in manifest.variants:
        lines += ["Without this library, in the folder of the files:\n"]
        lines += [_fenced(exporter.snippet, "python")]
    return "\n".join(lines)


def _interface(manifest: Manifest, exporter: Exporter) -> str:
    rows = [
        (f"`{role}`", kind, f"`{port.name}`", port.dtype, _axes(port), escape(port.meaning))
        for role, interface in manifest.interface.items()
        for kind, ports in (("input", interface.inputs), ("output", interface.outputs))
        for port in ports
    ]
    described = table(("graph", "", "name", "type", "axes", "meaning"), rows)
    lengths = " ".join(["`batch_size` may be any number from 1.", *exporter.notes])
    return f"## Inputs and outputs\n\n{lengths}\n\n{described}"


def _variants(manifest: Manifest, exporter: Exporter) -> str:
    unit, rows, metrics = exporter.content.unit, [], set()
    for name, variant in manifest.variants.items():
        files = ", ".join(f"`{file}`" for file in variant.files)
        size = sum(manifest.files[file].bytes for file in variant.files)
        quality, change = "not measured", ""
        if variant.quality:
            quality, change = f"{variant.quality.value:.4f}", f"{variant.quality.change:+.4f}"
            metrics.add(f"{variant.quality.metric}: {variant.quality.definition}")
        rows.append(
            (
                name,
                files,
                f"{size:,}",
                str(variant.opset),
                ", ".join(f"{name} {oldest}" for name, oldest in variant.runtimes.items()),
                str(sum(variant.nodes.values()) or ""),
                f"{variant.parity:.1e}",
                quality,
                change,
            )
        )
    head = (
        "variant", "files", "bytes", "opset", "from", "nodes", "parity", "quality", "change",
    )  # fmt: skip
    text = (
        "## Variants\n\n"
        "Parity is the largest absolute difference from the Keras model, over all outputs, several "
        "batch sizes and seeds. Each variant says the oldest release that takes it.\n"
    )
    text += "".join(f"{sentence}\n" for sentence in _forms(manifest, exporter))
    if metrics:
        measured = escape("; ".join(sorted(metrics)))
        samples = next(v.quality.samples for v in manifest.variants.values() if v.quality)
        text += f"Quality is {measured}; {samples} {unit}, the same for all variants.\n"
    others = ", ".join(f"`{name}`" for name in manifest.files if not name.endswith(".onnx"))
    return f"{text}\n{table(head, rows)}\nOther files: {others}.\n"


def _forms(manifest: Manifest, exporter: Exporter) -> Iterator[str]:
    """Yield what the forms are that are not for every runtime, or not used as the others are."""
    kinds = {variant.form for variant in manifest.variants.values()}
    yield from (words for kind, words in exporter.form_notes.items() if kind in kinds)


def _metrics(manifest: Manifest, unit: str) -> str:
    if not manifest.metrics:
        return "## Evaluation\n\nThis model was exported without having been evaluated.\n"
    rows = [
        (
            escape(metric["name"]),
            f"{metric['value']:.4g}",
            escape(metric["unit"]),
            str(metric["samples"]),
            str(metric["seed"]),
            escape(metric["definition"]),
        )
        for metric in manifest.metrics
    ]
    head = ("metric", "value", "unit", unit, "seed", "definition")
    return f"## Evaluation\n\nOn the test split of the data set.\n\n{table(head, rows)}"


def _training(manifest: Manifest, name: str) -> str:
    part = manifest.parts[name]
    source = part.provenance
    packages = ", ".join(f"{package} {version}" for package, version in source.packages.items())
    commit = source.git_commit or "not a checkout of the project"
    if source.git_clean is False:
        commit += ", with changes"
    rows = [
        ("data set", f"{escape(source.dataset)} (licence: {escape(source.dataset_license)})"),
        ("parameters", f"{part.parameters:,}"),
        ("time", f"{source.train_seconds:,.0f} s on {escape(source.hardware)}"),
        ("seed", str(source.seed)),
        ("made with", escape(packages)),
        ("commit", commit),
    ]
    recipe = _fenced(tomli_w.dumps(source.recipe), "toml")
    of = f" of `{name}`" if len(manifest.parts) > 1 else ""
    return f"## Training{of}\n\n{table(('', ''), rows)}\nThe recipe:\n\n{recipe}"


def _limitations(manifest: Manifest, exporter: Exporter) -> str:
    points = "".join(f"- {escape(sentence)}\n" for sentence in exporter.limitations)
    return (
        f"## Limitations\n\n{points}\n"
        f"## Licence\n\nThe weights: {escape(manifest.license)}. "
        f"The data set has a licence of its own: {escape(manifest.provenance.dataset_license)}.\n"
    )


def _license(words: str) -> dict[str, str]:
    """Return a licence as the head of a card names it: one without a name of its own is `other`."""
    if words.startswith("research"):
        return {"license": "other", "license_name": words.replace(" ", "-")}
    return {"license": words}


# --- text that cannot do harm ---


def _fenced(text: str, language: str) -> str:
    """Return a code block that the text cannot close."""
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}{language}\n{text.rstrip()}\n{fence}\n"


def _yaml(values: Mapping[str, Any]) -> str:
    return "".join(f"{line}\n" for line in _yaml_lines(values))


def _yaml_lines(value: Any) -> Iterator[str]:
    """Write dicts and lists as YAML blocks, and every scalar as JSON, which YAML includes."""
    if isinstance(value, Mapping):
        for key, part in value.items():
            if isinstance(part, Mapping | list):
                yield f"{key}:"
                yield from (f"  {line}" for line in _yaml_lines(part))
            else:
                yield f"{key}: {json.dumps(part)}"
    elif isinstance(value, list):
        for part in value:
            first, *rest = _yaml_lines(part)
            yield f"- {first}"
            yield from (f"  {line}" for line in rest)
    else:
        yield json.dumps(value)


def _metric_name(metric: Mapping[str, Any]) -> str:
    return f"{metric['name']} ({metric['unit']})" if metric["unit"] else metric["name"]


def _axes(port: Port) -> str:
    return " x ".join(map(str, port.axes))

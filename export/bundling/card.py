"""The model card: what a bundle is, how it is used, and every number that was measured."""

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any

import tomli_w

from export.bundling.samples import RULE, Samples
from export.families.family import Family
from serving.bundle.manifest import Manifest, Port, TextProcessing
from serving.bundle.markdown import escape, table

LIBRARY = "genzoo"


def render(manifest: Manifest, family: Family, samples: Samples) -> str:
    """Return the card of a bundle, as Markdown with the head that Hugging Face reads.

    Args:
        manifest: of the bundle.
        family: of the model.
        samples: what it draws; texts are shown, and of images the picture of them.

    Whatever comes from outside (the summary, the data set's name, the recipe) is escaped: it can
    add no heading, no link and no key.
    """
    unit = family.unit
    sections = [
        f"---\n{_yaml(_head(manifest, family))}---\n",
        f"# {manifest.name}\n",
        f"{escape(manifest.summary)}\n",
        _samples(manifest, samples),
        _use(manifest, family),
        _interface(manifest),
        _variants(manifest, unit),
        _metrics(manifest, unit),
        _training(manifest),
        _limitations(manifest, family),
    ]
    return "\n".join(sections)


def _head(manifest: Manifest, family: Family) -> dict[str, Any]:
    dataset = manifest.provenance.dataset
    head: dict[str, Any] = {
        "license": manifest.license.lower(),
        "library_name": LIBRARY,
        "pipeline_tag": family.pipeline_tag,
        "tags": [LIBRARY, "onnx", "keras", *family.tags],
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
        "task": {"type": family.pipeline_tag},
        "dataset": {"type": dataset, "name": dataset, "split": "test"},
        "metrics": measured,
    }
    head["model-index"] = [{"name": manifest.name, "results": [result]}]
    return head


def _samples(manifest: Manifest, samples: Samples) -> str:
    if not isinstance(samples, list):
        return f"![Samples of {manifest.name}](samples.png)\n"
    text = RULE.join(samples)
    shown = "".join(part for part in text if part.isprintable() or part == "\n")
    return _fenced(shown, "text")


def _use(manifest: Manifest, family: Family) -> str:
    if isinstance(manifest.processing, TextProcessing):
        what, call = "text", 'generate("The ", max_new_tokens=200, temperature=0.8, seed=7)'
    else:
        classes = manifest.processing.classes
        labels = f", labels=[{classes - 1}] * 16" if classes else ""
        what, call = "images", f"generate(16{labels}, seed=7)"
    python = (
        f'import serving  # pip install genzoo\n\n{what} = serving.load("{manifest.name}").{call}\n'
    )
    lines = [
        "## Use\n",
        "`serving.load` takes the name of a published model, or the folder that holds this card.\n",
        _fenced(python, "python"),
        f"The same seed gives the same {what} in Keras, SavedModel and ONNX Runtime.\n",
    ]
    if "fp32" in manifest.variants:
        lines += ["Without this library, in the folder of the files:\n"]
        lines += [_fenced(family.snippet, "python")]
    return "\n".join(lines)


def _interface(manifest: Manifest) -> str:
    rows = [
        (f"`{role}`", kind, f"`{port.name}`", port.dtype, _axes(port), escape(port.meaning))
        for role, interface in manifest.interface.items()
        for kind, ports in (("input", interface.inputs), ("output", interface.outputs))
        for port in ports
    ]
    described = table(("graph", "", "name", "type", "axes", "meaning"), rows)
    lengths = "`batch` may be any number from 1."
    if isinstance(manifest.processing, TextProcessing):
        lengths += (
            f" `total` is `past` and `sequence` together, at most {manifest.processing.context}; "
            "`past` may be 0."
        )
    return f"## Inputs and outputs\n\n{lengths}\n\n{described}"


def _variants(manifest: Manifest, unit: str) -> str:
    rows, metrics = [], set()
    for name, variant in manifest.variants.items():
        files = ", ".join(f"`{file}`" for file in variant.graphs.values())
        size = sum(manifest.files[file].bytes for file in variant.graphs.values())
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
                str(sum(variant.nodes.values()) or ""),
                f"{variant.parity:.1e}",
                quality,
                change,
            )
        )
    head = ("variant", "files", "bytes", "opset", "nodes", "parity", "quality", "change")
    text = (
        "## Variants\n\n"
        "Parity is the largest absolute difference from the Keras model, over all outputs, several "
        "batch sizes and seeds.\n"
    )
    text += _flavours(manifest)
    if metrics:
        measured = escape("; ".join(sorted(metrics)))
        samples = next(v.quality.samples for v in manifest.variants.values() if v.quality)
        text += f"Quality is {measured}; {samples} {unit}, the same for all variants.\n"
    others = ", ".join(f"`{name}`" for name in manifest.files if not name.endswith(".onnx"))
    return f"{text}\n{table(head, rows)}\nOther files: {others}.\n"


def _flavours(manifest: Manifest) -> str:
    """Say what the graphs are that are not for every runtime, or not used as the others are."""
    flavours, text = {variant.flavour for variant in manifest.variants.values()}, ""
    if "fused" in flavours:
        text += (
            "The `fused` ones are for ONNX Runtime alone, with one operator for each attention "
            "layer: they take padding on the right, and fill a cache that has room in place. The "
            "others are standard ONNX.\n"
        )
    if "static" in flavours:
        text += (
            "The `static` ones are for GPUs and NPUs, which like sizes that stay: `past` and "
            f"`total` are always {manifest.processing.context}. Keys and values are written where "
            "`position_ids` say (the cache may be one buffer, given as `past_key_values` and as "
            "`present`), padding is on the right, and no operator asks for a size.\n"
        )
    return text


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


def _training(manifest: Manifest) -> str:
    source = manifest.provenance
    packages = ", ".join(f"{name} {version}" for name, version in source.packages.items())
    rows = [
        ("data set", f"{escape(source.dataset)} (licence: {escape(source.dataset_license)})"),
        ("parameters", f"{manifest.parameters:,}"),
        ("time", f"{source.train_seconds:,.0f} s on {escape(source.hardware)}"),
        ("seed", str(source.seed)),
        ("made with", escape(packages)),
        ("commit", source.git_commit or "not a checkout of the project"),
    ]
    recipe = _fenced(tomli_w.dumps(source.recipe), "toml")
    return f"## Training\n\n{table(('', ''), rows)}\nThe recipe:\n\n{recipe}"


def _limitations(manifest: Manifest, family: Family) -> str:
    points = "".join(f"- {escape(sentence)}\n" for sentence in family.limitations)
    return (
        f"## Limitations\n\n{points}\n"
        f"## Licence\n\nThe weights: {escape(manifest.license)}. "
        f"The data set has a licence of its own: {escape(manifest.provenance.dataset_license)}.\n"
    )


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

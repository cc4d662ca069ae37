"""A bill of materials of a release, for the tools that read CycloneDX."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.contrib.this.builders import this_component
from cyclonedx.model import HashAlgorithm, HashType, Property
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentScope, ComponentType
from cyclonedx.model.tool import ToolRepository
from cyclonedx.output.json import JsonV1Dot6
from packageurl import PackageURL

import zoo
from export.release.models import Model
from serving.bundle.manifest import Manifest, Provenance
from serving.bundle.records import MANIFEST_NAME, Pin
from serving.catalogue import INDEX

NAME = "bom.cdx.json"


def write(tree: Path, models: Sequence[Model]) -> None:
    """Write the bill: models with their files, what they learned from, and what made them.

    The packages of a model's training are components out of scope, on which it depends: they are
    needed to make it again, not to run it.
    """
    bom = _bom(models)
    bom.serial_number = uuid5(NAMESPACE_URL, (tree / INDEX.name).read_text(encoding="utf-8"))
    document = json.loads(JsonV1Dot6(bom).output_as_string())
    del document["metadata"]["timestamp"]  # the same models make the same bill
    cards = {_reference(model.manifest): model_card(model.manifest) for model in models}
    for component in document["components"]:
        if component["bom-ref"] in cards:  # which the library does not write yet
            component["modelCard"] = cards[component["bom-ref"]]
    (tree / NAME).write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def model_card(manifest: Manifest) -> dict[str, Any]:
    """Return the CycloneDX model card of a model: what it takes, gives, and was measured to do."""
    parameters = {
        "task": manifest.task,
        "architectureFamily": manifest.family,
        "datasets": [
            {"ref": ref}
            for ref in dict.fromkeys(_dataset(part.provenance) for part in manifest.parts.values())
        ],
        "inputs": [{"format": text} for text in _formats(manifest, "inputs")],
        "outputs": [{"format": text} for text in _formats(manifest, "outputs")],
    }
    metrics = [
        {
            "type": _with_unit(metric),
            "value": str(metric.get("value")),
            "slice": f"test split; {metric.get('samples', 'unknown')} samples, "
            f"seed {metric.get('seed', 'unknown')}",
        }
        for metric in manifest.metrics
    ]
    tradeoffs = [
        f"{name}: {variant.quality.metric} {variant.quality.value:.6g}, "
        f"{variant.quality.change:+.6g} against fp32; {variant.quality.definition}"
        for name, variant in manifest.variants.items()
        if variant.quality
    ]
    return {
        "modelParameters": parameters,
        "quantitativeAnalysis": {"performanceMetrics": metrics},
        "considerations": {"performanceTradeoffs": tradeoffs},
    }


def _bom(models: Sequence[Model]) -> Bom:
    genzoo = Component(
        name="genzoo", version=zoo.__version__, type=ComponentType.APPLICATION, bom_ref="genzoo"
    )
    whole = Component(
        name="models",
        version=zoo.__version__,
        type=ComponentType.DATA,
        description=f"A release of {len(models)} generative models",
        bom_ref="release",
    )
    tools = ToolRepository(components=[genzoo, this_component()])
    bom = Bom(metadata=BomMetaData(component=whole, tools=tools))
    made = {}
    for model in models:
        sources = [part.provenance for part in model.manifest.parts.values()]
        needed = [*map(_data, sources)]
        needed += [_package(each) for source in sources for each in source.packages.items()]
        parts = [made.setdefault(part.bom_ref.value, part) for part in needed]
        component = _component(model)
        bom.components.add(component)
        bom.register_dependency(component, parts)
        bom.register_dependency(whole, [component])
    bom.components.update(made.values())
    return bom


def _component(model: Model) -> Component:
    manifest, source = model.manifest, model.manifest.provenance
    facts = {
        "parameters": manifest.parameters,
        "seed": source.seed,
        "git_commit": source.git_commit,
        "train_seconds": source.train_seconds,
        "hardware": source.hardware,
    }
    return Component(
        name=model.name,
        version=model.entry.files[MANIFEST_NAME].sha256[:12],
        type=ComponentType.MACHINE_LEARNING_MODEL,
        description=manifest.summary,
        bom_ref=_reference(manifest),
        hashes=[_hash(model.entry.files[MANIFEST_NAME])],
        licenses=[LicenseFactory().make_from_string(manifest.license)],
        properties=[
            Property(name=f"genzoo:{name}", value=str(value))
            for name, value in facts.items()
            if value is not None
        ],
        components=[_file(f"models/{model.name}/{name}", pin)
                    for name, pin in model.entry.files.items()],
    )  # fmt: skip


def _file(path: str, pin: Pin) -> Component:
    return Component(
        name=path,
        type=ComponentType.FILE,
        bom_ref=f"file:{path}",
        hashes=[_hash(pin)],
        properties=[Property(name="genzoo:bytes", value=str(pin.bytes))],
    )


def _data(source: Provenance) -> Component:
    """Describe the data set that a part learned from."""
    return Component(
        name=source.dataset,
        type=ComponentType.DATA,
        bom_ref=_dataset(source),
        licenses=[LicenseFactory().make_from_string(source.dataset_license)],
    )


def _package(package: tuple[str, str]) -> Component:
    """Describe a package that a model was made with."""
    name, version = package
    return Component(
        name=name,
        version=version,
        type=ComponentType.LIBRARY,
        scope=ComponentScope.EXCLUDED,
        bom_ref=f"package:{name}@{version}",
        purl=PackageURL("pypi", name=name, version=version),
    )


def _hash(pin: Pin) -> HashType:
    return HashType(alg=HashAlgorithm.SHA_256, content=pin.sha256)


def _reference(manifest: Manifest) -> str:
    return f"model:{manifest.name}"


def _dataset(source: Provenance) -> str:
    """Name a data set with its licence: another model may state another one."""
    return f"data:{source.dataset} ({source.dataset_license})"


def _formats(manifest: Manifest, kind: str) -> list[str]:
    return [
        f"{role}.{port.name}: {port.dtype}, {' x '.join(map(str, port.axes))}"
        for role, interface in manifest.interface.items()
        for port in getattr(interface, kind)
    ]


def _with_unit(metric: dict[str, Any]) -> str:
    unit = metric.get("unit")
    return f"{metric.get('name')} ({unit})" if unit else str(metric.get("name"))

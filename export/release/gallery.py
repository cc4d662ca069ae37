"""The gallery of a release: a page of all models, and a page for each, as plain files."""

import base64
import hashlib
from collections.abc import Iterator, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

import zoo
from export.release import bill, onnx_hub
from export.release.cards import to_html
from export.release.models import CARD, Model
from serving import registry
from serving.catalogue import INDEX
from serving.catalogue.costs import circumstances, in_words
from serving.content.content import PICTURE, SOUND, WORDS
from serving.loader import runtime_of
from serving.terminal import clean

PAGES = "pages"  # not in the bundles' folders, which hold what their manifests list and no more
ICON = "icon.svg"
TEXT_LIMIT = 600  # characters of samples in the list of models


def write(tree: Path, models: Sequence[Model], signed: bool) -> None:
    """Write `index.html` and a page for each model.

    The pages work from a disk as from a server, ask no other host for anything and need no script.
    What bundles hold is data for the templates, never a template.
    """
    templates = files("export.release") / "templates"
    (tree / ICON).write_bytes((templates / ICON).read_bytes())
    style, script = ((templates / name).read_text("utf-8") for name in ("style.css", "copy.js"))
    environment = Environment(
        loader=PackageLoader("export.release"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals = {
        "style": Markup(style),
        "script": Markup(script),
        "policy": _policy(style, script),
        "version": zoo.__version__,
    }
    shown = [_shown(model) for model in models]
    index = environment.get_template("index.html").render(
        groups=list(_groups(shown)),
        models=shown,
        size=_size(sum(pin.bytes for model in models for pin in model.entry.files.values())),
        papers={"index": INDEX.name, "bill": bill.NAME, "onnx": onnx_hub.NAME, "signed": signed},
    )
    (tree / "index.html").write_text(index, encoding="utf-8")
    (tree / PAGES).mkdir()
    template = environment.get_template("model.html")
    for model, values in zip(models, shown, strict=True):
        base = f"../models/{model.name}/"
        card = (model.folder / CARD).read_text(encoding="utf-8", errors="replace")
        widths = {PICTURE: values["picture"]["width"]} if values["picture"] else {}
        html = to_html(card, model.entry.files, base, widths)
        downloads = [(name, _size(pin.bytes)) for name, pin in model.entry.files.items()]
        page = template.render(model=values, card=html, base=base, downloads=downloads)
        (tree / PAGES / f"{model.name}.html").write_text(page, encoding="utf-8")


def _policy(style: str, script: str) -> str:
    """Allow the pages their own pictures and sounds, style and script by hash, and nothing else."""
    allowed = [
        f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
        for text in (style, script)
    ]
    return (
        "default-src 'none'; img-src 'self' file:; media-src 'self' file:; "
        f"style-src {allowed[0]}; script-src {allowed[1]}; base-uri 'none'; form-action 'none'"
    )


def _groups(shown: Sequence[dict[str, Any]]) -> Iterator[tuple[str, list[dict[str, Any]]]]:
    for name, family in registry.families().items():
        if found := [values for values in shown if values["family"] == name]:
            yield family.title, found


def _shown(model: Model) -> dict[str, Any]:
    """Return what the pages show of a model."""
    manifest = model.manifest
    return {
        "name": model.name,
        "family": manifest.family,
        "task": manifest.task,
        "summary": manifest.summary,
        "metric": _metric(model),
        "parameters": _count(manifest.parameters),
        "sizes": [(variant, _size(model.size(variant))) for variant in manifest.variants],
        **_costs(model),
        "license": manifest.license,
        "dataset": manifest.provenance.dataset,
        "dataset_license": manifest.provenance.dataset_license,
        "picture": _picture(model),
        "text": _text(model),
        "sound": f"models/{model.name}/{SOUND}" if SOUND in model.entry.files else None,
        "page": f"{PAGES}/{model.name}.html",
        "commands": _commands(model),
    }


def _costs(model: Model) -> dict[str, Any]:
    """Return what is known of each variant's speed and memory, and with what it was measured."""
    costs = model.entry.costs
    words = {variant: in_words(costs.get(variant)) for variant in model.manifest.variants}
    return {
        "speeds": [(variant, cost.speed) for variant, cost in words.items() if cost.speed],
        "memories": [(variant, cost.memory) for variant, cost in words.items() if cost.memory],
        "measured": circumstances(costs.values()),
    }


def _metric(model: Model) -> dict[str, str] | None:
    """Return the headline, and what real data get where that was measured: the floor."""
    headline = model.entry.metric
    if headline is None:
        return None
    floor = model.manifest.metrics[0].get("floor")
    return {
        "name": headline.name.replace("_", " "),
        "value": f"{headline.value:#.4g}",
        "unit": headline.unit,
        "floor": f"{floor:#.3g}" if isinstance(floor, int | float) else "",
    }


def _picture(model: Model) -> dict[str, Any] | None:
    """Return the picture of samples with its size on the page: whole pixels, small ones doubled."""
    if PICTURE not in model.entry.files:
        return None
    try:
        with Image.open(model.folder / PICTURE) as image:
            width, height = image.size
    except OSError:  # of another format, or of none
        return None
    scale = 2 if max(width, height) <= 400 else 1
    source = f"models/{model.name}/{PICTURE}"
    return {"source": source, "width": width * scale, "height": height * scale}


def _text(model: Model) -> str | None:
    if WORDS not in model.entry.files:
        return None
    with (model.folder / WORDS).open(encoding="utf-8", errors="replace") as file:
        text = file.read(TEXT_LIMIT)
    return clean(text)


def _commands(model: Model) -> dict[str, str]:
    """Return the line for a shell and those for Python that make something with a model."""
    calls = runtime_of(model.manifest).declared(model.manifest)
    first = next(iter(calls.values()))
    content = registry.content(first.gives)
    out = content.default_out(model.name)
    shell = first.shell(model.name) + (f" --out {out}" if out else "")
    python = f"import serving\n\nresult = {first.python(model.name)}"
    return {"Shell": shell, "Python": python}


def _size(count: int) -> str:
    """Return bytes as people read them.

    Example:
        >>> _size(2157418), _size(900)
        ('2.2 MB', '0.9 kB')
    """
    return f"{count / 1e6:.1f} MB" if count >= 1e5 else f"{count / 1e3:.1f} kB"


def _count(number: int) -> str:
    """Return a number of parameters as people say it.

    Example:
        >>> _count(1824289), _count(739020), _count(100)
        ('1.8 million', '739 thousand', '100')
    """
    if number >= 1e6:
        return f"{number / 1e6:.1f} million"
    return f"{number / 1e3:.0f} thousand" if number >= 1e3 else str(number)

"""A report as one HTML file with pictures in it: no script, and no other host is asked."""

import base64
import hashlib
import io
from collections.abc import Mapping, Sequence
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup
from PIL import Image

import zoo
from serving.files import replacing
from serving.terminal import clean
from zoo.inspection.report import FAULTS, Finding, Report
from zoo.inspection.telling import COUNTED, facts, summary

MOST_SAMPLES = 60  # in the overview
MOST_FINDINGS = 24  # of each fault; the JSON has all
MOST_FILES = 6  # of one finding
ALL_COUNTS = 40  # of a fact


def write_page(report: Report, path: Path) -> None:
    """Write a report as one HTML file, whole or not at all.

    Args:
        report: of any kind of data.
        path: of the file; an older one is replaced.
    """
    chosen = _spread(report.items, MOST_SAMPLES)
    findings = {name: each[:MOST_FINDINGS] for name, each in report.by_fault().items()}
    of_faults = [file for each in findings.values() for one in each for file in _shown(one)]
    # What cannot be read has no picture.
    wanted = set(chosen) | (set(of_faults) & set(report.items))
    samples = {name: _inline(held) for name, held in report.samples(wanted).items()}
    html = _template().render(
        title=clean(report.name),
        summary=clean(summary(report)),
        facts=[(name, clean(words)) for name, words in facts(report, ALL_COUNTS)],
        balances=_balances(report),
        faults=_faults(report, findings, samples),
        samples=[_figure(name, samples) for name in chosen],
        counted=COUNTED[report.kind],
        total=len(report.items),
    )
    with replacing(path) as temporary:
        temporary.write_text(html, encoding="utf-8")


def _template() -> Any:
    style = (files("zoo.inspection") / "templates" / "style.css").read_text("utf-8")
    digest = base64.b64encode(hashlib.sha256(style.encode()).digest()).decode()
    environment = Environment(
        loader=PackageLoader("zoo.inspection"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals = {
        "style": Markup(style),
        "policy": f"default-src 'none'; img-src data:; style-src 'sha256-{digest}'; "
        "base-uri 'none'; form-action 'none'",
        "version": zoo.__version__,
    }
    return environment.get_template("page.html")


def _spread(names: Sequence[str], most: int) -> list[str]:
    """Return so many names from everywhere in a list."""
    count = min(most, len(names))
    return [names[index * len(names) // count] for index in range(count)]


def _shown(finding: Finding) -> tuple[str, ...]:
    return finding.files[:MOST_FILES]


def _inline(sample: np.ndarray | str) -> dict[str, str]:
    """Return a sample as a page holds it: an address with the picture in it, or a text."""
    if isinstance(sample, str):
        return {"text": clean(sample)}
    file = io.BytesIO()
    Image.fromarray(sample).save(file, "png" if sample.size < 10_000 else "webp", quality=80)
    kind = "png" if sample.size < 10_000 else "webp"
    height, width = sample.shape[:2]
    scale = 2 if max(width, height) <= 64 else 1  # small ones in whole pixels
    return {
        "source": f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}",
        "width": str(width * scale),
        "height": str(height * scale),
        "crisp": "crisp" if scale > 1 else "",
    }


def _figure(name: str, samples: Mapping[str, dict[str, str]]) -> dict[str, str]:
    return {"name": clean(name), "source": "", "text": "", "dropped": ""} | samples.get(name, {})


def _faults(
    report: Report,
    shown: Mapping[str, Sequence[Finding]],
    samples: Mapping[str, dict[str, str]],
) -> list[dict[str, Any]]:
    """Return the faults as the template shows them."""
    dropped = report.left_out()
    return [
        {
            "title": FAULTS[name].title,
            "remedy": FAULTS[name].remedy,
            "count": f"{len(findings):,}",
            "more": len(findings) - len(shown[name]),
            "findings": [
                {
                    "words": clean(finding.words),
                    "more": len(finding.files) - len(_shown(finding)),
                    "files": [
                        _figure(file, samples) | {"dropped": file in dropped}
                        for file in _shown(finding)
                    ],
                }
                for finding in shown[name]
            ],
        }
        for name, findings in report.by_fault().items()
    ]


def _balances(report: Report) -> list[dict[str, Any]]:
    """Return the bars of splits and classes."""
    found = []
    for title in ("splits", "classes"):
        counts = report.facts.get(title, {})
        bars = [(clean(name), count) for name, count in list(counts.items())[:100]]
        if bars:
            found.append({"title": title, "bars": bars, "most": max(counts.values())})
    return found

"""What drawing towards a class brings and costs: `python -m tests.bench.guided docs/guided.json
--models BUNDLE ... --judge RUN`.

Images are asked for alike often of each class. Who says whether they are of it is a judge that had
no part in the drawing: a run of `judge-mnist` of another seed and other sizes. The same judge's
features give the Frechet distance (FCD) to test images, and how varied the images of a class are
beside those that are of this class without being asked for. A row that is there already is kept.
"""

import argparse
import json
from pathlib import Path
from typing import Any

import numpy as np

import serving
from serving.bundle.manifest import read_manifest
from serving.files import replacing
from zoo.data.images import Images
from zoo.evaluation.distances import frechet_distance
from zoo.evaluation.neighbours import diversity
from zoo.judge import Judge, load_judge
from zoo.judge.samples import consult
from zoo.presets import recipe_of

WAYS: tuple[dict[str, Any], ...] = (
    {"guidance_steps": 0},
    {"guidance_steps": 10, "strength": 2.0},
    {"guidance_steps": 40, "strength": 1.0},
)


def main(words: list[str] | None = None) -> None:
    arguments = _arguments(words)
    judge = load_judge(arguments.judge)
    document: dict[str, Any] = {
        "command": f"python -m tests.bench.guided docs/guided.json --count {arguments.count} "
        "--models BUNDLES --judge RUN; bundles by `genzoo export NAME --judge mnist`, the run by "
        f"`{arguments.trained}`",
        "judge": {"sha256": judge.sha256, "accuracy": _accuracy(judge)},
        "images": arguments.count,
        "rows": [],
    }
    if arguments.out.is_file():
        document["rows"] = json.loads(arguments.out.read_text(encoding="utf-8"))["rows"]
    for bundle in arguments.models:
        manifest, recipe = read_manifest(bundle), recipe_of(bundle)
        images = Images(recipe.data, recipe.model.image_shape, 0)
        real, stand_in = (
            judge.features(images.arrays(part)[0][: arguments.count].astype(np.float32))
            for part in ("test", "validation")
        )
        floor = frechet_distance(stand_in, real)
        model = serving.load(bundle, device="cpu", threads=1)
        for way in WAYS:
            head = {"model": manifest.name, **way}
            if any(head.items() <= row.items() for row in document["rows"]):
                continue
            row = head | measured(model, judge, real, arguments.count, way)
            document["rows"].append(row | {"fcd_floor": round(floor, 3)})
            with replacing(arguments.out) as place:
                place.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
            print(json.dumps(row))


def measured(
    model: Any, judge: Judge, real: np.ndarray, count: int, way: dict[str, Any]
) -> dict[str, float]:
    """Draw images of all classes alike often, and ask the judge about them."""
    classes = np.arange(count) % judge.classes
    found = consult(judge, model.generate(count, seed=0, towards=classes, **way), classes)
    seen = found.probabilities.argmax(axis=1)
    # How varied images of a class are, whether it was asked for or came by itself.
    varied = [diversity(found.features[seen == each]) for each in range(judge.classes)]
    return {
        "share_of_the_class": round(float(np.mean(seen == classes)), 4),
        "fcd": round(frechet_distance(found.features, real), 3),
        "diversity_within_classes": round(float(np.mean(varied)), 3),
        "confident": round(float(np.mean(found.probabilities.max(axis=1) > 0.9)), 4),
    }


def _accuracy(judge: Judge) -> float:
    """Return the share of test images that the judge takes for what they are."""
    recipe = recipe_of("cgan-mnist")
    images, labels = Images(recipe.data, recipe.model.image_shape, judge.classes).arrays("test")
    found = consult(judge, images).probabilities.argmax(axis=1)
    return round(float(np.mean(found == labels)), 4)


def _arguments(words: list[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Measure drawing towards a class.")
    parser.add_argument("out", type=Path)
    parser.add_argument("--models", nargs="+", required=True)
    parser.add_argument("--judge", required=True)
    parser.add_argument("--trained", default="genzoo train judge-mnist --set train.seed=11")
    parser.add_argument("--count", type=int, default=1000)
    return parser.parse_args(words)


if __name__ == "__main__":
    main()

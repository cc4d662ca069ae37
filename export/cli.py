"""The commands that need both Keras and ONNX, and the one command line that joins all commands."""

import logging
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from shlex import quote
from typing import Annotated

import typer

import serving.commands.app
import zoo.cli
from serving.commands.calls import CallGroup
from serving.errors import GenzooError, UsageError
from serving.terminal import show
from zoo.startup import load_tensorflow

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

FORMATS = "saved_model,onnx"
TARGETS = ("triton", "kserve")
# Packages of an extra, by the name they are imported by.
EXTRAS = {
    "tensorflow": "train",
    "keras": "train",
    "tensorflow_datasets": "train",
    "sklearn": "train",
    "tomli_w": "train",
    "onnx": "export",
    "onnxscript": "export",
    "tf2onnx": "export",
    "gguf": "checkpoints",
    "ml_dtypes": "checkpoints",
    "safetensors": "checkpoints",
    "orjson": "server",
    "prometheus_client": "server",
    "starlette": "server",
    "cyclonedx": "publish",
    "markdown_it": "publish",
}


@app.command(
    epilog="Example: genzoo evaluate runs/v1 --set evaluate.importance_samples=500; genzoo "
    "evaluate gpt-python-topics --on blimp --limit 100 --variant all"
)
def evaluate(
    source: Annotated[
        str,
        typer.Argument(
            metavar="WORKDIR_OR_NAME", help="A work directory, or a bundle or its name."
        ),
    ],
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override an evaluate key; repeatable."),
    ] = None,
    quick: Annotated[bool, typer.Option("--quick", help="Few images, samples or tokens.")] = False,
    variant: Annotated[
        str,
        typer.Option(help="Of a bundle: auto, fp32, fp16, int8, ...; with --on all of them: all."),
    ] = "auto",
    on: Annotated[
        str | None,
        typer.Option(help="Pairs of sentences, of which one is right: blimp, or a .jsonl file."),
    ] = None,
    limit: Annotated[
        int | None, typer.Option(help="With --on: pairs of each test; all if not given.")
    ] = None,
) -> None:
    """Measure a trained model, or the ONNX graphs of a bundle, by the same metrics."""
    if on is None and limit is not None:
        raise UsageError("--limit goes with --on; leave it out, or say --set evaluate.limit=N")
    if on is not None and (assignments or quick):
        raise UsageError("--set and --quick are for the recipe's own metrics; leave --on out")
    load_tensorflow()
    if on is not None:
        _show_pairs(source, on, limit, variant)
        return
    from export.evaluation import evaluate as measure

    overrides = zoo.cli.parse_assignments(assignments or [])
    metrics = measure(source, overrides=overrides, quick=quick, variant=variant)
    width = max(15, *(len(metric.name) + 1 for metric in metrics))
    for metric in metrics:
        show(
            f"{metric.name:<{width}}{metric.value:>12.6g} {metric.unit:<12}"
            f"{metric.samples} {metric.counted}, seed {metric.seed}"
        )


def _show_pairs(source: str, on: str, limit: int | None, variant: str) -> None:
    """Print, by phenomenon, how often each variant prefers the right one of two sentences."""
    from export.evaluation import evaluate_on
    from zoo.evaluation.minimal_pairs import PREFIX, PUBLISHED, SETS

    measured = evaluate_on(source, on, limit=limit, variant=variant)
    show(" ".join([f"{'':<32}{'pairs':>8}", *(f"{name:>12}" for name in measured)]))
    for rows in zip(*measured.values(), strict=True):
        name = rows[0].name.removeprefix(PREFIX).replace("_", " ")
        shares = " ".join(f"{row.value:>12.4f}" for row in rows)
        show(f"{name:<32}{rows[0].samples:>8} {shares}")
    if f"of {SETS} tests" in rows[0].definition:
        known = ", ".join(f"{name} {share:.2f}" for name, share in PUBLISHED.items())
        show(f"published, of all {SETS} tests: {known} (Warstadt et al. 2020)")


@app.command(
    epilog="Example: genzoo export runs/v1 --out bundles/v1 --variants fp32,fp16,int8; for Triton: "
    "genzoo export vae-mnist --target triton --out repository"
)
def export(
    workdir: Annotated[
        str,
        typer.Argument(
            metavar="WORKDIR_OR_NAME",
            help="What `genzoo train` made; or a bundle or its name, to export it again.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="The bundle's directory; an older bundle is replaced.")],
    formats: Annotated[
        str | None,
        typer.Option(
            show_default="saved_model,onnx",
            help="saved_model, onnx; of text also safetensors (transformers), gguf, gguf-q8_0, "
            "gguf-q4_0 (llama.cpp).",
        ),
    ] = None,
    variants: Annotated[
        str | None,
        typer.Option(
            show_default="fp32",
            help="Of fp32, fp16, int8; of text also static, static-fp16, static-int8, "
            "fused, fused-int8, fused-int4, and each of these with -lora, which takes adapters.",
        ),
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the model; the recipe's if none.")] = None,
    judge: Annotated[
        str | None,
        typer.Option(
            help="Of a GAN or VAE: a judge (mnist, or a work directory) by which images can then "
            "be drawn towards a class, or away from it."
        ),
    ] = None,
    adapter: Annotated[
        bool,
        typer.Option(
            "--adapter",
            help="Only the change that train.lora has trained, for a model in a variant that ends "
            "in -lora; formats and variants do not apply.",
        ),
    ] = False,
    target: Annotated[
        str | None,
        typer.Option(
            help="Of a bundle or its name, what another server takes: triton (models in the "
            "repository OUT) or kserve (an image and its InferenceService); one variant, the one "
            "that is fastest on a CPU if none."
        ),
    ] = None,
    image: Annotated[
        str | None, typer.Option(help="With --target kserve: what its image is called.")
    ] = None,
) -> None:
    """Export a trained model to a bundle, and prove that it does what the model does."""
    if target is not None:
        others = {"--formats": formats, "--name": name, "--judge": judge, "--adapter": adapter}
        _refuse(others, "with --target")
        _export_to(target, workdir, out, variants, image)
        return
    _refuse({"--image": image}, "without --target kserve")
    load_tensorflow()
    if adapter:
        _refuse({"--judge": judge}, "with --adapter")
        from export.bundling.adapter import export_adapter

        place = quote(str(export_adapter(workdir, out, name=name)))
        show(f"{out} is an adapter; its model takes it: genzoo generate BUNDLE --adapter {place}")
        return
    from export.bundling.exporter import export as write

    bundle = write(
        workdir,
        out,
        formats=_words(formats or FORMATS),
        variants=_words(variants or "fp32"),
        name=name,
        judge=judge,
    )
    show(f"{bundle} is proved; its card: genzoo card {quote(str(bundle))}")


def _refuse(options: dict[str, object], where: str) -> None:
    """Refuse options that do not apply."""
    for name in [name for name, value in options.items() if value]:
        raise UsageError(f"{name} does not apply {where}; leave it out")


def _export_to(target: str, source: str, out: Path, variant: str | None, image: str | None) -> None:
    """Write what another server takes of a bundle."""
    from export.targets.bundled import Bundled
    from export.targets.kserve import write_kserve
    from export.targets.triton import write_triton

    if target not in TARGETS:
        raise UsageError(f"there is no target '{target:.40}'; expected {' or '.join(TARGETS)}")
    if variant is not None and "," in variant:
        raise UsageError(f"--target takes one variant, not '{variant:.80}'")
    bundled = Bundled(source, variant or "auto")
    if target == "triton":
        _refuse({"--image": image}, "with --target triton")
        names = write_triton(bundled, out)
        show(f"{out} has {', '.join(names)}; tritonserver --model-repository {quote(str(out))}")
    else:
        image = write_kserve(bundled, out, image)
        show(f"{out} is whole; docker build -t {image} {quote(str(out))}")


@app.command(epilog="Example: genzoo compare runs/v1 bundles/v1")
def compare(
    workdir: Annotated[Path, typer.Argument(metavar="WORKDIR", help="What `genzoo train` made.")],
    bundle: Annotated[Path, typer.Argument(metavar="BUNDLE", help="What `genzoo export` made.")],
) -> None:
    """Print how far SavedModel and ONNX are from Keras, and how fast each is here."""
    load_tensorflow()
    from export.comparison import BATCH
    from export.comparison import compare as rows

    table = list(rows(workdir, bundle))
    show(f"{'form':<20}{'max error':>12}{table[0].unit + '/s':>12}   (batch {BATCH})")
    for row in table:
        show(f"{row.form:<20}{row.error:>12.1e}{row.per_second:>12,.0f}")


@app.command(epilog="Example: genzoo publish bundles/v1 vae-mnist --to release --key private.pem")
def publish(
    sources: Annotated[
        list[str],
        typer.Argument(metavar="SOURCE...", help="Work directories, bundles or names of models."),
    ],
    to: Annotated[Path, typer.Option(help="The release's directory; an older one is replaced.")],
    key: Annotated[
        Path | None, typer.Option(help="Sign the index with this elliptic-curve private key (PEM).")
    ] = None,
    variants: Annotated[
        str | None, typer.Option(help="Of work directories, as of `genzoo export`; fp32 if none.")
    ] = None,
) -> None:
    """Make a release of models: a folder that any file server can host."""
    from export.release.publish import publish as write

    release = write(sources, to, key, variants=None if variants is None else _words(variants))
    show(f"{release} is whole; its gallery: {release / 'index.html'}")


def _words(text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def main() -> None:
    """Run the console command `genzoo`."""
    try:
        with _telling():
            serving.commands.app.run(joined())
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in EXTRAS:
            raise
        show(
            f"genzoo: this needs {package}: pip install 'genzoo[{EXTRAS[package]}]'",
            file=sys.stderr,
        )
        sys.exit(GenzooError.exit_code)


@contextmanager
def _telling() -> Iterator[None]:
    """Print what the export logs: what it found, and which variants it left out."""
    log, handler = logging.getLogger("export"), logging.Handler()
    handler.emit = lambda record: show(handler.format(record), file=sys.stderr)
    log.addHandler(handler)
    log.setLevel(logging.INFO)
    log.propagate = False  # some of the libraries give the root logger a handler of their own
    try:
        yield
    finally:
        log.removeHandler(handler)
        log.setLevel(logging.NOTSET)
        log.propagate = True


def joined() -> typer.Typer:
    """Return the commands of all three packages as one application."""
    whole = typer.Typer(
        cls=CallGroup,
        name="genzoo",
        help="Generative models from training to devices.",
        no_args_is_help=True,
        add_completion=False,
        rich_markup_mode=None,
    )
    for part in (serving.commands.app.app, zoo.cli.app, app):
        whole.add_typer(part)
    return whole

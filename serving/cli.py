"""The commands that need no TensorFlow: list, generate, pull, verify, card, bench."""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from zoo.errors import GenzooError, UsageError

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

Model = Annotated[str, typer.Argument(metavar="NAME_OR_DIR", help="A model's name, or a bundle.")]
Device = Annotated[str, typer.Option(help="auto, cpu or cuda.")]
Variant = Annotated[str, typer.Option(help="auto, fp32, fp16, int8, ...: see `genzoo list`.")]
Threads = Annotated[int | None, typer.Option(help="CPU threads; one per core if not given.")]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]


@app.command("list", epilog="Example: genzoo list --json")
def list_models(as_json: Json = False) -> None:
    """List every model, with its size and headline metric."""
    from zoo.catalogue import models

    entries = models()
    if as_json:
        print(json.dumps({name: entry.model_dump() for name, entry in entries.items()}, indent=2))
        return
    rows = [("name", "family", "task", "data set", "size", "metric", "variants")]
    for name, entry in entries.items():
        metric = (
            entry.metric and f"{entry.metric.name} {entry.metric.value:.4g} {entry.metric.unit}"
        )
        size = f"{entry.size(next(iter(entry.variants))) / 1e6:.1f} MB"
        variants = ", ".join(entry.variants)
        rows.append((name, entry.family, entry.task, entry.dataset, size, metric or "", variants))
    _print_table(rows)


@app.command(
    epilog="Example: genzoo generate vae-mnist -n 64 --seed 7 --out grid.png; of a model of text: "
    "genzoo generate NAME --prompt 'ROMEO:' --max-new-tokens 200 --temperature 0.8 --seed 7"
)
def generate(
    model: Model,
    count: Annotated[
        int | None, typer.Option("-n", "--count", help="How many: 64 images, or 1 text.")
    ] = None,
    seed: Annotated[int | None, typer.Option(help="The same seed gives the same samples.")] = None,
    out: Annotated[
        str | None,
        typer.Option(
            help="Of images FILE.png (a grid), FILE.npy, FILE.npz or a folder, NAME.png if not "
            "given; of text a file, printed if not given."
        ),
    ] = None,
    label: Annotated[int | None, typer.Option(help="Images: class, if the model has any.")] = None,
    truncation: Annotated[
        float | None,
        typer.Option(help="Images: scale of the noise, 0 to 1; less varied below 1."),
    ] = None,
    prompt: Annotated[str | None, typer.Option(help="Text: what to write on from.")] = None,
    max_new_tokens: Annotated[int | None, typer.Option(help="Text: 200 if not given.")] = None,
    temperature: Annotated[
        float | None, typer.Option(help="Text: 0 takes the likeliest token; 1 if not given.")
    ] = None,
    top_k: Annotated[int | None, typer.Option(help="Text: draw from so many tokens.")] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Text: draw from the likeliest that reach this share.")
    ] = None,
    device: Device = "auto",
    variant: Variant = "auto",
    threads: Threads = None,
) -> None:
    """Generate images with a model and write them to a file, or write on from a prompt."""
    from serving.generation import generate_images, generate_text
    from serving.loader import load

    loaded = load(model, device=device, variant=variant, threads=threads)
    of_images = {"label": label, "truncation": truncation}
    of_text = {
        "prompt": prompt,
        "max_new_tokens": max_new_tokens,
        "temperature": temperature,
        "top_k": top_k,
        "top_p": top_p,
    }
    if loaded.manifest.family == "transformer":
        _refuse(of_images, f"{loaded.manifest.name} writes text")
        generate_text(loaded, count, seed, out, **_given(of_text))
    else:
        _refuse(of_text, f"{loaded.manifest.name} draws images")
        generate_images(loaded, count, seed, out, **_given(of_images))


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse(options: dict[str, Any], reason: str) -> None:
    """Refuse options that are for models of another kind."""
    for name in _given(options):
        raise UsageError(f"{reason}, and --{name.replace('_', '-')} does not apply; leave it out")


@app.command(epilog="Example: genzoo pull vae-mnist")
def pull(
    name: Annotated[str, typer.Argument(help="A name from `genzoo list`.")],
    variant: Annotated[str | None, typer.Option(help="fp32, fp16, int8, ...; all if none.")] = None,
) -> None:
    """Check that a model's files are here, and say where."""
    from serving.integrity import open_manifest, read_listed
    from serving.loader import choose_variant
    from zoo.hub import find

    source = find(name)
    if source.entry is None:
        raise UsageError(f"'{name}' is a directory; expected a name from `genzoo list`")
    manifest = open_manifest(source)
    wanted = manifest.files
    if variant is not None:
        wanted = manifest.variants[choose_variant(manifest, variant, "cpu")].graphs.values()
    for file in wanted:
        read_listed(source.directory, manifest, file)
    print(f"{name} is part of this installation, and whole: {source.directory}")


@app.command(epilog="Example: genzoo verify vae-mnist")
def verify(model: Model, device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu") -> None:
    """Check a bundle: its files, graphs and results."""
    from serving.verify import verify as checks

    failed = 0
    for check in checks(model, device):
        print(f"{'ok    ' if check.passed else 'FAILED'} {check.name}: {check.detail}", flush=True)
        failed += not check.passed
    if failed:
        raise GenzooError(f"{model} failed {failed} checks; fetch or export the bundle again")
    print(f"{model} is good")


@app.command(epilog="Example: genzoo card vae-mnist")
def card(model: Model) -> None:
    """Print a model's card: what it is, how it was made and measured."""
    from serving.integrity import open_manifest, read_listed
    from zoo.hub import find

    source = find(model)
    text = read_listed(source.directory, open_manifest(source), "README.md").decode(
        "utf-8", "replace"
    )
    # A card is somebody else's text: it may not send commands to the terminal.
    print(
        "".join(character for character in text if character.isprintable() or character in "\n\t")
    )


@app.command(epilog="Example: genzoo bench vae-mnist --batch 1 --batch 64")
def bench(
    model: Model,
    batch: Annotated[list[int] | None, typer.Option(help="Batch size; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(help="Time for each measurement.")] = 1.0,
    device: Device = "auto",
    variant: Variant = "auto",
    threads: Threads = None,
    as_json: Json = False,
) -> None:
    """Measure a model's speed on this machine."""
    from serving.bench import measure
    from serving.loader import load
    from zoo.noise import checked_count

    batches = [checked_count(size, "batch") for size in batch or (1, 16, 64)]
    loaded = load(model, device=device, variant=variant, threads=threads)
    timings = list(measure(loaded, batches, seconds))
    if as_json:
        print(json.dumps([timing._asdict() for timing in timings], indent=2))
        return
    print(f"{loaded.manifest.name}, {loaded.variant} on {loaded.device}, {loaded.threads} threads")
    rows = [("operation", "batch", "ms", f"{timings[0].unit}/s")]
    for timing in timings:
        speed = f"{timing.per_second:.0f}"
        rows.append((timing.operation, str(timing.batch), f"{timing.milliseconds:.2f}", speed))
    _print_table(rows)


def run(application: typer.Typer, arguments: Sequence[str] | None = None) -> NoReturn:
    """Run a command line and exit: 0, 2 for bad usage, 1 for failure, with one line on stderr.

    Args:
        application: the commands.
        arguments: what follows the program's name; None for those of this process.
    """
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_, **__: _complain(f"warning: {message}")
        try:
            application(arguments)
        except GenzooError as error:
            _complain(str(error))
            sys.exit(error.exit_code)
        except OSError as error:
            where = f": {Path(error.filename)}" if error.filename else ""
            _complain(f"{error.strerror or error}{where}")
            sys.exit(1)
        except MemoryError:
            _complain("not enough memory; ask for fewer at a time")
            sys.exit(1)
    sys.exit(0)


def _complain(message: str) -> None:
    print(f"genzoo: {' '.join(message.split())}", file=sys.stderr)


def _print_table(rows: list[tuple[str, ...]]) -> None:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    for row in rows:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        print("  ".join(cells).rstrip())

"""The commands that need no TensorFlow."""

import json
import sys
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any, NoReturn

import typer

from serving.commands import cache as cli_cache
from serving.commands import keys as cli_keys
from serving.commands import marking as cli_marking
from serving.commands import serve as cli_serve
from serving.commands.calls import CallGroup
from serving.commands.shared import (
    Device,
    Index,
    IndexHash,
    Json,
    Key,
    Model,
    Spinning,
    Threads,
    Variant,
    show_table,
)
from serving.errors import GenzooError, UsageError
from serving.terminal import show

app = typer.Typer(cls=CallGroup, no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(cli_cache.app)
app.add_typer(cli_keys.app)
app.add_typer(cli_serve.app)
app.add_typer(cli_marking.app)

OWN_INDEX = "the index is the installed one"


@app.command("list", epilog="Example: genzoo list --family vae --device web --size 5")
def list_models(
    as_json: Json = False,
    family: Annotated[str | None, typer.Option(help="Of what kind, as `vae` or `gan`.")] = None,
    task: Annotated[str | None, typer.Option(help="A word of it, as in 'text'.")] = None,
    size: Annotated[
        float | None, typer.Option(help="Largest size in MB of the smallest variant.")
    ] = None,
    device: Annotated[
        str | None, typer.Option(help="Variants that suit it: cpu, cuda or web.")
    ] = None,
    index: Index = None,
    key: Key = None,
    index_sha256: IndexHash = None,
) -> None:
    """List every model, or those that are asked for: size, headline metric, speed and memory.

    Size, speed and memory are those of the first variant.
    """
    from serving.commands.listing import choose, measured_with, rows

    if index is None:
        _refuse({"key": key, "index_sha256": index_sha256}, OWN_INDEX)
        chosen = choose(family, task, size, device)
    else:
        from serving.hub.tree import open_tree

        models = open_tree(index, key=key, sha256=index_sha256).index.models
        chosen = choose(family, task, size, device, models)
    if as_json:
        show(json.dumps({name: entry.model_dump() for name, entry in chosen.items()}, indent=2))
    elif chosen:
        show_table(rows(chosen))
        for line in measured_with(chosen):
            show(line)
    else:
        show("no model is of that kind; `genzoo list` shows every model")


def _given(options: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if value is not None}


def _refuse(options: dict[str, Any], reason: str) -> None:
    """Refuse options that are for models of another kind."""
    for name in _given(options):
        raise UsageError(f"{reason}, and --{name.replace('_', '-')} does not apply; leave it out")


@app.command(
    epilog="Example: genzoo pull vae-mnist; of somebody else's release: genzoo pull NAME "
    "--index https://example.org/release --key publisher.pem"
)
def pull(
    name: Annotated[str, typer.Argument(help="A name from `genzoo list`.")],
    variant: Annotated[str | None, typer.Option(help="fp32, fp16, int8, ...; all if none.")] = None,
    index: Index = None,
    key: Key = None,
    index_sha256: IndexHash = None,
) -> None:
    """Download what is not here of a model, check its files, and say where they are."""
    from serving.hub.pulling import pull as bring
    from serving.hub.pulling import pull_from_tree

    if index is not None:
        directory = pull_from_tree(name, index, variant, key, index_sha256)
        show(f"{name} of {index} is whole: {directory}")
        return
    _refuse({"key": key, "index_sha256": index_sha256}, OWN_INDEX)
    directory, where = bring(name, variant)
    show(f"{name} is {where}, and whole: {directory}")


@app.command(epilog="Example: genzoo verify vae-mnist")
def verify(model: Model, device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu") -> None:
    """Check a bundle: its files, graphs and results."""
    from serving.verify import verify as checks

    failed = 0
    for check in checks(model, device):
        show(f"{'ok    ' if check.passed else 'FAILED'} {check.name}: {check.detail}")
        failed += not check.passed
    if failed:
        raise GenzooError(f"{model} failed {failed} checks; fetch or export the bundle again")
    show(f"{model} is good")


@app.command(epilog="Example: genzoo card vae-mnist")
def card(model: Model) -> None:
    """Print a model's card: what it is, how it was made and measured."""
    from serving.bundle.files import read_listed
    from serving.hub import complete, find
    from serving.hub.opening import open_manifest

    source = find(model)
    manifest = open_manifest(source)
    directory = complete(source, ["README.md"]).directory
    text = read_listed(directory, manifest.files, "README.md").decode("utf-8", "replace")
    show(text.replace("\r\n", "\n"))


@app.command(
    epilog="Example: genzoo bench vae-mnist --batch 1 --batch 64; to write into a bundle what each "
    "of its variants costs: genzoo bench bundles/v1 --record"
)
def bench(
    model: Model,
    batch: Annotated[list[int] | None, typer.Option(help="Batch size; may be repeated.")] = None,
    seconds: Annotated[float, typer.Option(help="Time for each measurement.")] = 1.0,
    device: Device = "auto",
    variant: Variant = "auto",
    threads: Threads = None,
    spinning: Spinning = True,
    as_json: Json = False,
    record: Annotated[
        bool,
        typer.Option(
            "--record",
            help="Measure every variant on one CPU thread, speed, memory and loading time, and "
            "write it into the bundle; on a machine that does nothing else.",
        ),
    ] = False,
) -> None:
    """Measure a model's speed on this machine."""
    from serving.loader import load
    from serving.measure.bench import measure
    from serving.noise import checked_count

    if record:
        named = {"device": device, "variant": variant}
        chosen = {name: value for name, value in named.items() if value != "auto"}
        options = {"batch": batch or None, "threads": threads} | chosen
        _refuse(options, "--record measures every variant on one CPU thread")
        _record(model, seconds, as_json)
        return
    batches = [checked_count(size, "batch") for size in batch or (1, 16, 64)]
    loaded = load(model, device=device, variant=variant, threads=threads, spinning=spinning)
    timings = list(measure(loaded, batches, seconds))
    if as_json:
        show(json.dumps([timing._asdict() for timing in timings], indent=2))
        return
    show(f"{loaded.manifest.name}, {loaded.variant} on {loaded.device}, {loaded.threads} threads")
    rows = [("operation", "batch", "ms", f"{timings[0].unit}/s")]
    for timing in timings:
        speed = f"{timing.per_second:.0f}"
        rows.append((timing.operation, str(timing.batch), f"{timing.milliseconds:.2f}", speed))
    show_table(rows)


def _record(model: str, seconds: float, as_json: bool) -> None:
    from serving.catalogue.costs import circumstances, in_words
    from serving.measure.recording import record

    variants = record(model, seconds).variants
    costs = {name: each.cost for name, each in variants.items() if each.cost is not None}
    if as_json:
        show(json.dumps({name: cost.model_dump() for name, cost in costs.items()}, indent=2))
        return
    rows = [(name, *in_words(cost)) for name, cost in costs.items()]
    show_table([("variant", "speed", "memory", "load"), *rows])
    show(f"{model} now says so: {'; '.join(circumstances(costs.values()))}")


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
    show(f"genzoo: {' '.join(message.split())}", file=sys.stderr)

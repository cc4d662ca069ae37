"""The commands that train and import. They load TensorFlow only once one runs."""

import tomllib
from pathlib import Path
from shlex import quote
from typing import TYPE_CHECKING, Annotated, Any

import typer

from serving.errors import UsageError
from serving.terminal import show
from zoo.inspection import command
from zoo.startup import load_tensorflow

if TYPE_CHECKING:
    from zoo.recipe import Recipe

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)
app.add_typer(command.app)


@app.command(
    epilog="Example: genzoo train vae-mnist --set train.epochs=5 --workdir runs/v1; to go on from "
    "a model: genzoo train --from dcgan-mnist --set data.name=./photos --set data.resize=true "
    "--set evaluate.judge=pixels"
)
def train(
    recipe: Annotated[
        str | None,
        typer.Argument(
            help="A recipe of the zoo by name, or the path of a .toml file; with --from that of "
            "the model if not given."
        ),
    ] = None,
    assignments: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="KEY=VALUE", help="Override a recipe key; may be repeated."),
    ] = None,
    workdir: Annotated[
        Path | None, typer.Option(help="Where everything goes; runs/RECIPE if not given.")
    ] = None,
    start: Annotated[
        str | None,
        typer.Option(
            "--from",
            metavar="NAME_OR_DIR",
            help="Fine-tune a model of `genzoo list`, a bundle or a finished run: its recipe, at a "
            "tenth of the learning rate.",
        ),
    ] = None,
    devices: Annotated[str, typer.Option(help="auto, cpu, cpu:2, gpu or gpu:0,1.")] = "auto",
    resume: Annotated[bool, typer.Option("--resume", help="Go on where a run stopped.")] = False,
    quick: Annotated[bool, typer.Option("--quick", help="Shrink the recipe to seconds.")] = False,
) -> None:
    """Train a model on your data or the recipe's."""
    overrides = parse_assignments(assignments or [])
    load_tensorflow()
    from zoo.training import train as run

    chosen = _choose(recipe, start, overrides, quick)
    workdir = workdir or Path("runs") / chosen.name
    result = run(chosen, workdir, devices=devices, resume=resume)
    if result.signal:
        show(
            f"stopped after step {result.steps}; the same command with --resume goes on from there"
        )
        raise typer.Exit(128 + result.signal)
    show(f"trained in {workdir}: validation loss {result.best_validation_loss:.4g} at best")
    made, bundle = quote(str(workdir)), quote(f"bundles/{workdir.name}")
    show(f"next: genzoo evaluate {made}; genzoo export {made} --out {bundle}")


@app.command(
    "import", epilog="Example: genzoo import downloads/SmolLM2-135M-Instruct --out runs/smollm2"
)
def import_(
    source: Annotated[
        str,
        typer.Argument(
            metavar="SOURCE",
            help="A folder of Hugging Face (config.json, *.safetensors, tokenizer.json), or a "
            ".gguf file.",
        ),
    ],
    out: Annotated[Path, typer.Option(help="Where everything goes; a new directory.")],
    assignments: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Override a recipe key, such as model.context or data.name; may be repeated.",
        ),
    ] = None,
) -> None:
    """Make a checkpoint of somebody else's into a model of the zoo."""
    overrides = parse_assignments(assignments or [])
    load_tensorflow()
    from zoo.checkpoints.importing import import_checkpoint

    made = import_checkpoint(source, out, overrides=overrides)
    model = made.recipe.model
    show(
        f"imported into {out}: {model.layers} layers x {model.width}, "
        f"{made.parameters:,} parameters, licence {made.licence}"
    )
    place, bundle = quote(str(out)), quote(f"bundles/{out.name}")
    show(f"next: genzoo evaluate {place}; genzoo export {place} --out {bundle}")


def _choose(
    recipe: str | None, start: str | None, overrides: dict[str, Any], quick: bool
) -> "Recipe":
    """Return the recipe that a command line asks for."""
    from zoo.recipe import Recipe
    from zoo.training import fine_tuning

    if recipe is None:
        if start is None:
            raise UsageError("no recipe is given; name one, or a model to go on from with --from")
        return fine_tuning(start, overrides, quick=quick)
    if start is not None:
        overrides = {"train.initial_weights": start} | overrides
    return Recipe.load(recipe, overrides, quick=quick)


def parse_assignments(assignments: list[str]) -> dict[str, Any]:
    """Turn `KEY=VALUE` words into values by key; a value is TOML, or else a plain string.

    >>> parse_assignments(["train.epochs=5", "data.name=digits", "model.hidden=[8, 8]"])
    {'train.epochs': 5, 'data.name': 'digits', 'model.hidden': [8, 8]}
    """
    values = {}
    for assignment in assignments:
        key, equals, text = assignment.partition("=")
        if not equals or not key.strip():
            raise UsageError(f"--set {assignment}: expected KEY=VALUE, as in train.epochs=5")
        try:
            values[key.strip()] = tomllib.loads(f"value = {text}")["value"]
        except tomllib.TOMLDecodeError:
            values[key.strip()] = text.strip()
    return values

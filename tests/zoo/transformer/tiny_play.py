"""A play of two speakers who have little in common, and a tiny run that learns both styles."""

from pathlib import Path

import zoo

STYLES = ("BELL", "CLOCK")
SAID = {"BELL": "ding dong, ding dong!", "CLOCK": "tick, tock, tick.", "CAT": "mew."}
SIZES = {
    "model.context": 32,
    "model.layers": 2,
    "model.width": 32,
    "model.heads": 2,
    "train.epochs": 3,
    "train.steps_per_epoch": 60,
    "train.batch_size": 8,
    "train.warmup_steps": 5,
    "train.ema": 0.0,
    "evaluate.style_samples": 3,
    "evaluate.style_characters": 50,
}


def play(rounds: int = 60) -> str:
    """Return the text of the play, in which the cat says least."""
    speeches = [f"{name}:\n{SAID[name]} {SAID[name]}\n\n" for name in STYLES]
    return "".join([*speeches, f"CAT:\n{SAID['CAT']}\n\n"] * rounds)


def changes(place: Path, **others) -> dict:
    """Overrides of `gpt-shakespeare-styles` that make it tiny; keys have `__` for the dot."""
    file = place / "play.txt"
    file.write_text(play())
    own = {"data.name": str(file), "data.styles": "speakers", "data.style_count": len(STYLES)}
    own["model.vocabulary_size"] = len(set(play())) + 3 + len(STYLES)
    return SIZES | own | {key.replace("__", "."): value for key, value in others.items()}


def trained(place: Path, **others) -> Path:
    """Train such a model in `place/run`, and return that directory."""
    place.mkdir(parents=True, exist_ok=True)
    recipe = zoo.Recipe.load("gpt-shakespeare-styles", changes(place, **others))
    return zoo.train(recipe, place / "run").workdir

"""Chiptune patterns: two voices of a square wave on a grid of sixteenths."""

from serving.registry import Family

CHIPTUNE = Family(
    name="chiptune",
    title="Chiptunes",
    gives="pattern",
    recipe="chiptunes.recipe:ChiptuneRecipe",
    exporter="chiptunes.exporter:ChiptuneExporter",
    runtime="chiptunes.runtime:Chiptune",
    contents={"pattern": "chiptunes.content:PatternContent"},
    recipes="chiptunes.recipes",
)

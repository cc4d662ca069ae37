"""A catalogue of a test's own, beside the bundles that it is made from as in an installation."""

from serving import catalogue
from serving.catalogue.build import build


def use_catalogue(monkeypatch, models):
    """Make the bundles of a folder the whole catalogue; return its index, which is in no file."""
    index = build(models).model_copy(update={"mirrors": [models.name]})
    monkeypatch.setattr(catalogue, "INDEX", models.with_name("index.json"))
    monkeypatch.setattr(catalogue, "index", lambda: index)
    return index

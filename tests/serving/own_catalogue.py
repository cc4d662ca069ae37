"""A catalogue of a test's own, beside the bundles that it is made from as in an installation."""

from serving import catalogue
from serving.catalogue.build import rewrite


def use_catalogue(monkeypatch, models):
    """Make the bundles of a folder the whole catalogue, and return its index."""
    path = models.with_name("index.json")
    index = rewrite(path, models)
    monkeypatch.setattr(catalogue, "INDEX", path)
    monkeypatch.setattr(catalogue, "index", lambda: index)
    return index

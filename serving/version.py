"""Which version of this package it is."""

from functools import cache
from importlib.metadata import PackageNotFoundError
from importlib.metadata import version as installed


@cache  # to look it up reads files
def version() -> str:
    """Return the version of this package, as it was installed; `0` of a checkout that was not."""
    try:
        return installed("genzoo")
    except PackageNotFoundError:
        return "0"

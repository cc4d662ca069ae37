"""Records are built as any program's models are, but without its plugins."""

import os

import pytest
from pydantic.plugin import _loader

from serving.bundle.records import Record


@pytest.mark.parametrize("before", [None, "logfire"])
def test_building_a_record_asks_for_no_plugins_and_leaves_the_variable(before, monkeypatch):
    monkeypatch.delenv("PYDANTIC_DISABLE_PLUGINS", raising=False)
    if before is not None:
        monkeypatch.setenv("PYDANTIC_DISABLE_PLUGINS", before)
    monkeypatch.setattr(_loader, "_plugins", None)

    class Size(Record):
        bytes: int
        later: "Size | None" = None

    assert Size.model_validate({"bytes": 1, "later": {"bytes": 2}}).later.bytes == 2
    assert _loader._plugins is None
    assert os.environ.get("PYDANTIC_DISABLE_PLUGINS") == before

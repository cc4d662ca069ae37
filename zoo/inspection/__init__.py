"""What data hold, and what is wrong with them: folders of images, text or music, and data sets.

`inspect` looks at everything and returns a `Report`, `clean` writes a copy of a folder without what
is broken or there twice, and `write_page` shows a report with pictures. Folders of the user's own
need no TensorFlow. Names load on first use.

Example:
    >>> from pathlib import Path
    >>> from PIL import Image
    >>> from zoo.inspection import inspect
    >>> Path("photos").mkdir()
    >>> for name in ("one.png", "two.png"):
    ...     Image.linear_gradient("L").save(f"photos/{name}")
    >>> report = inspect("./photos")
    >>> report.count, report.left_out()
    (2, {'two.png': 'a duplicate: the same bytes as one.png'})
"""

from importlib import import_module
from typing import Any

_HOMES = {
    "Finding": "zoo.inspection.report",
    "Report": "zoo.inspection.report",
    "clean": "zoo.inspection.cleaning",
    "inspect": "zoo.inspection.inspecting",
    "write_page": "zoo.inspection.page",
}
__all__ = sorted(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'zoo.inspection' has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return __all__

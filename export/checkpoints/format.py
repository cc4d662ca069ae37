"""A format that a trained model can be written in, beside its graphs."""

from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from export.errors import ExportError

EXTRA = "checkpoints"


@dataclass(frozen=True)
class Format:
    """One way to write a model.

    Attributes:
        name: what it is asked for by.
        write: puts its files into a folder; takes the folder and the name of the model.
        package: that writes it, of the extra `checkpoints`.
        refusal: why this model cannot be written so; empty where it can.
    """

    name: str
    write: Callable[[Path, str], None]
    package: str
    refusal: str = ""

    def check(self) -> None:
        """Refuse before anything is done where the package is missing.

        Raises:
            ExportError: it is.

        Example:
            >>> Format("zip", lambda folder, name: None, "zipfile").check()
        """
        if find_spec(self.package) is None:
            raise ExportError(
                f"format {self.name} needs {self.package}: pip install 'genzoo[{EXTRA}]'"
            )

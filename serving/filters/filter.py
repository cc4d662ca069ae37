"""What a filter is; packages that are installed add theirs by the entry point `genzoo.filters`."""

from abc import ABC

import numpy as np


class Filter(ABC):  # noqa: B024  # each method has a meaning of its own where it is not written
    """Says whether words and pictures may be given to a model, and given by it.

    `genzoo serve --filter NAME:SETTING` makes one of the class that an entry point of the group
    `genzoo.filters` calls NAME. It is asked by several threads at once.

    Args:
        setting: what follows the name and a colon; empty where nothing does.

    Raises:
        UsageError: the setting cannot be used.
    """

    def __init__(self, setting: str) -> None:
        self.setting = setting

    def words(self, text: str) -> str | None:
        """Return why a text is refused, in a few words, or None.

        Of a text that comes piece by piece it is asked at each word, about the last part, and at
        the end about all of it.
        """
        return None

    def image(self, pixels: np.ndarray) -> str | None:
        """Return why a picture, uint8 `(H, W, C)`, is refused, in a few words, or None."""
        return None

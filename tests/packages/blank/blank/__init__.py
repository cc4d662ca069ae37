"""A filter of pictures."""

import numpy as np

from serving.errors import UsageError
from serving.filters.filter import Filter


class DarkFilter(Filter):
    """Refuses pictures whose mean level is below one that is given: `dark:100`."""

    def __init__(self, setting: str) -> None:
        super().__init__(setting)
        if not setting.isdecimal():
            raise UsageError(f"the filter 'dark' has '{setting}'; expected a level, as in dark:100")
        self._least = int(setting)

    def image(self, pixels: np.ndarray) -> str | None:
        return "it is too dark" if pixels.mean() < self._least else None

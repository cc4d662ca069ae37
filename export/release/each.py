"""What is done to several bundles in turn, as the commands of a release do."""

import sys
from collections.abc import Callable, Iterable

from serving.errors import GenzooError
from serving.terminal import show


def for_each(directories: Iterable[str], do: Callable[[str], str]) -> int:
    """Do something to each bundle and show what came of it; the first error ends it.

    Args:
        directories: of the bundles.
        do: takes one, and returns what to say of it.

    Returns:
        The exit code.

    Example:
        >>> for_each(["bundles/one"], lambda directory: "as it is")
        bundles/one: as it is
        0
    """
    try:
        for directory in directories:
            show(f"{directory}: {do(directory)}")
    except GenzooError as error:
        show(f"genzoo: {error}", file=sys.stderr)
        return error.exit_code
    return 0

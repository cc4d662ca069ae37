"""When Python looks for garbage, and when there is none to be found."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager

_MANY = 20_000  # objects, of which it is worth while to look for garbage


@contextmanager
def collection_paused() -> Iterator[None]:
    """Do without the garbage collector in the block, or in the function that this decorates.

    While modules are imported and a model is loaded, nearly all that is made stays. To look through
    it again and again takes a twentieth of the time to the first image, and finds nothing.

    Example:
        >>> with collection_paused():
        ...     gc.isenabled()
        False
    """
    if not gc.isenabled():  # by whoever has started this, or by a block around this one
        yield
        return
    gc.disable()
    try:
        yield
    finally:
        if not gc.get_freeze_count():
            # What is here now counts as old, and is looked through when all is for the next time.
            gc.freeze()
            gc.unfreeze()
        gc.enable()


def look_at_new_only() -> None:
    """Have the garbage collector pass over everything that is here now, and stays.

    For a process that has loaded what it needs: to look through all of it takes a tenth of a
    second, in which a server answers nobody. And requests leave little garbage, which waits until
    there is some.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(_MANY)


def collect_everything() -> None:
    """Look for garbage in what `look_at_new_only` has passed over too."""
    passed_over = gc.get_freeze_count()
    gc.unfreeze()
    gc.collect()
    if passed_over:
        gc.freeze()

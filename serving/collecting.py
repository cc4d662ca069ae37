"""When Python looks for garbage, and when there is none to be found."""

import gc
from collections.abc import Iterator
from contextlib import contextmanager


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

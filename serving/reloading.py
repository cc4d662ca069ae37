"""Models that can be sent to another process, which loads them again."""

from collections.abc import Callable
from typing import Any

from serving.errors import GenzooError


class Reloadable:
    """A model that is pickled as how it was loaded, since what ONNX Runtime holds cannot be.

    Attributes:
        origin: loads the same again; set by `serving.load`.

    Example:
        >>> import pickle, serving
        >>> vae = serving.load("vae-mnist", device="cpu")
        >>> again = pickle.loads(pickle.dumps(vae))
        >>> bool((again.generate(1, seed=7) == vae.generate(1, seed=7)).all())
        True
    """

    origin: Callable[[], object] | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        if self.origin is None:
            raise GenzooError("only a model that serving.load has returned can be pickled")
        return self.origin, ()

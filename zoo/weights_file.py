"""Weights of somebody else's, `model.weights.h5`, given to Keras only where they are plain numbers.

HDF5 can say that the numbers lie in other files, in devices, nowhere, or in a form that unpacks to
any size, and links may lead out of the file or round in circles. A file passes that holds for
variables of the model arrays of their shapes, and nothing else.
"""

import io
import tempfile
from collections import Counter
from pathlib import Path

import h5py
import keras

from serving.bundle.refusal import RefusedError, plain, shown
from serving.errors import GenzooError, first_line

MOST_OBJECTS, MOST_LEVELS = 20_000, 32  # groups and arrays; groups within groups
TYPES = ("float16", "float32", "float64", "int32", "int64", "uint32")
_FILTERS = {h5py.h5z.FILTER_DEFLATE, h5py.h5z.FILTER_SHUFFLE}


def load_weights(model: keras.Model, data: bytes) -> None:
    """Load weights into a model that is built.

    Args:
        model: of this project.
        data: the content of `model.weights.h5`.

    Raises:
        GenzooError: they are not of this model, or no plain arrays.
    """
    check_weights(data, model)
    with tempfile.TemporaryDirectory() as folder:  # Keras takes files only; these are the bytes
        path = Path(folder, "model.weights.h5")
        path.write_bytes(data)
        model.load_weights(path)


def check_weights(data: bytes | str | Path, model: keras.Model) -> None:
    """Refuse weights that are more than arrays of the shapes that a model has.

    Args:
        data: the content of `model.weights.h5`, or where it is.
        model: whose variables the arrays are for.

    Raises:
        GenzooError: a link leads elsewhere; an array lies in another file or is packed in an
            unknown way; no variable has such a shape; or it is no HDF5 file.

    Example:
        >>> model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(3)])
        >>> model.save_weights("right.weights.h5")
        >>> check_weights("right.weights.h5", model)
    """
    shapes = Counter(tuple(variable.shape) for variable in model.variables)
    try:
        with h5py.File(io.BytesIO(data) if isinstance(data, bytes) else data, "r") as file:
            _Walk(shapes).group(file, 0)
    except RefusedError as refusal:
        raise GenzooError(f"the weights are refused: {refusal}") from None
    except (OSError, RuntimeError, ValueError, KeyError, TypeError) as error:
        reason = plain(first_line(error), 200)
        raise GenzooError(f"the weights cannot be read: {reason}") from None


class _Walk:
    """Goes through a file and strikes out the shapes that it meets."""

    def __init__(self, shapes: Counter[tuple[int, ...]]) -> None:
        self._shapes_left, self._objects_left = shapes, MOST_OBJECTS
        self._seen: set[int] = set()  # where objects lie in the file

    def group(self, group: h5py.Group, level: int) -> None:
        self._objects_left -= len(group)
        if level > MOST_LEVELS or self._objects_left < 0:
            raise RefusedError("it has too many groups")
        for name in group:
            link = group.get(name, getlink=True)
            if not isinstance(link, h5py.HardLink):
                raise RefusedError(f"{shown(name)} is a link that leads elsewhere")
            kind = group.get(name, getclass=True)
            if kind not in (h5py.Group, h5py.Dataset):
                raise RefusedError(f"{shown(name)} is neither a group nor an array")
            found = group[name]
            place = h5py.h5o.get_info(found.id).addr
            if place in self._seen:
                raise RefusedError(f"{shown(name)} is a link to what has another name")
            self._seen.add(place)
            if kind is h5py.Group:
                self.group(found, level + 1)
            else:
                self._array(found, name)

    def _array(self, array: h5py.Dataset, name: str) -> None:
        if self._shapes_left[array.shape] < 1:
            shape = shown(str(array.shape))
            raise RefusedError(f"{shown(name)} is {shape}, and no other variable has that shape")
        made = array.id.get_create_plist()
        filters = {made.get_filter(index)[0] for index in range(made.get_nfilters())}
        if array.is_virtual or made.get_external_count():
            raise RefusedError(f"the numbers of {shown(name)} lie in other files")
        if str(array.dtype) not in TYPES or "dtype" in array.attrs:
            raise RefusedError(f"{shown(name)} is of type {shown(str(array.dtype))}")
        if not filters <= _FILTERS or array.maxshape != array.shape:
            raise RefusedError(f"{shown(name)} is packed in a way that is not known")
        if any(part > whole for part, whole in zip(array.chunks or (), array.shape, strict=False)):
            raise RefusedError(f"{shown(name)} is packed in parts that are larger than it")
        self._shapes_left[array.shape] -= 1

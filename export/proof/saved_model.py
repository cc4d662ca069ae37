"""SavedModel with one named signature for each graph, and the proof of what was written."""

import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from export.errors import ExportError
from export.proof.graphs import GraphSpec
from export.proof.parity import Runner
from export.quiet import quiet
from serving.errors import first_line

DEFAULT = "serving_default"
# What TensorFlow takes for a pattern in the name of a folder, or not at all: bytes that are no
# UTF-8, which are surrogates to Python.
_ODD = re.compile(r"[][\\\ud800-\udfff]")


def write(specs: Sequence[GraphSpec], directory: Path) -> None:
    """Write the graphs as signatures of one SavedModel; the first one is also `serving_default`.

    Raises:
        ExportError: TensorFlow cannot write it.
    """
    import tensorflow as tf

    functions = {spec.signature: spec.function() for spec in specs}
    module = tf.Module()
    module.variables_in_use = [  # what the module does not hold, TensorFlow refuses to save
        variable
        for function in functions.values()
        for variable in function.get_concrete_function().variables
    ]
    signatures = {DEFAULT: functions[specs[0].signature]} | functions
    try:
        # TensorFlow would tell how it spells parameters, which nobody sees.
        with quiet(), _plain(directory) as name:
            tf.saved_model.save(module, name, signatures=signatures)
    except (tf.errors.OpError, AssertionError, ValueError) as error:
        raise ExportError(f"TensorFlow cannot write the SavedModel: {first_line(error)}") from error


def load(directory: Path) -> dict[str, Runner]:
    """Return a function for each signature of a SavedModel, `serving_default` included."""
    import tensorflow as tf

    with quiet(), _plain(directory) as name:  # as above
        loaded = tf.saved_model.load(name)

    def runner(signature: Any) -> Runner:
        signature._loaded = loaded  # the signature alone does not keep its variables alive
        return lambda inputs: {
            name: value.numpy()
            for name, value in signature(
                **{name: tf.constant(value) for name, value in inputs.items()}
            ).items()
        }

    return {name: runner(signature) for name, signature in loaded.signatures.items()}


@contextmanager
def _plain(directory: Path) -> Iterator[str]:
    """Give a name of a directory that TensorFlow takes as it is, for as long as the block lasts."""
    if not _ODD.search(directory.as_posix()):
        yield str(directory)
        return
    directory.mkdir(exist_ok=True)
    with TemporaryDirectory() as place:
        link = Path(place, "plain")
        link.symlink_to(directory.absolute(), target_is_directory=True)
        yield str(link)

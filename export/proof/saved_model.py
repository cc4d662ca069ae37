"""SavedModel with one named signature for each graph, and the proof of what was written."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from export.errors import ExportError
from export.proof.graphs import GraphSpec
from export.proof.parity import Runner
from export.quiet import quiet
from serving.errors import first_line

DEFAULT = "serving_default"


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
        with quiet():  # TensorFlow would tell how it spells parameters, which nobody sees
            tf.saved_model.save(module, str(directory), signatures=signatures)
    except (tf.errors.OpError, AssertionError, ValueError) as error:
        raise ExportError(f"TensorFlow cannot write the SavedModel: {first_line(error)}") from error


def load(directory: Path) -> dict[str, Runner]:
    """Return a function for each signature of a SavedModel, `serving_default` included."""
    import tensorflow as tf

    with quiet():  # as above
        loaded = tf.saved_model.load(str(directory))

    def runner(signature: Any) -> Runner:
        signature._loaded = loaded  # the signature alone does not keep its variables alive
        return lambda inputs: {
            name: value.numpy()
            for name, value in signature(
                **{name: tf.constant(value) for name, value in inputs.items()}
            ).items()
        }

    return {name: runner(signature) for name, signature in loaded.signatures.items()}

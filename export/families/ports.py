"""The inputs and outputs that graphs of several families have in common."""

from serving.bundle.records import Port


def port(name: str, *axes: int, meaning: str, dtype: str = "float32") -> Port:
    """Describe an input or output; its first axis is the batch."""
    return Port(name=name, dtype=dtype, axes=["batch_size", *axes], meaning=meaning)


def labels_port(classes: int) -> tuple[Port, ...]:
    """Return the `labels` input of a conditional model; nothing for any other."""
    if not classes:
        return ()
    meaning = f"class of each image, 0 to {classes - 1}"
    return (port("labels", meaning=meaning, dtype="int64"),)

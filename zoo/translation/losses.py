"""What a translator learns by."""

from keras import KerasTensor, ops


def smoothed_nats(targets: KerasTensor, logits: KerasTensor, smoothing: float) -> KerasTensor:
    """Surprise at a smoothed target: int `(B, T)` and `(B, T, V)` -> `(B, T)` nats.

    A share `smoothing` of the target is spread over all tokens, so that a model is not led to be
    surer than it can be (Szegedy et al. 2016, arXiv:1512.00567, section 7).

    Example:
        >>> import numpy as np
        >>> targets, logits = np.zeros((1, 1), "int32"), np.array([[[2.0, 0.0]]], "float32")
        >>> [round(float(smoothed_nats(targets, logits, each)[0, 0]), 4) for each in (0.0, 0.1)]
        [0.1269, 0.2269]
    """
    nats = ops.sparse_categorical_crossentropy(targets, logits, from_logits=True)
    if not smoothing:
        return nats
    # The mean of -log p over all tokens is log Z less the mean logit, and -log p(target) is log Z
    # less the target's: no tensor of the size of the logits is made.
    picked = ops.take_along_axis(logits, ops.expand_dims(targets, -1), axis=-1)[..., 0]
    uniform = nats + picked - ops.mean(logits, axis=-1)
    return (1 - smoothing) * nats + smoothing * uniform

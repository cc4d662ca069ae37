"""A small stand-in of the module that Triton gives to models of its Python backend.

It has what `export/targets/templates/model.py` uses, in the words of Triton's documentation, so
that the model runs in a test without Triton. What Triton makes of a configuration is not tried.
"""

import json


class Tensor:
    def __init__(self, name, array):
        self._name, self._array = name, array

    def name(self):
        return self._name

    def as_numpy(self):
        return self._array


class TritonError:
    INTERNAL, INVALID_ARG, CANCELLED = 1, 3, 7

    def __init__(self, message, code=INTERNAL):
        self._message, self._code = message, code

    def message(self):
        return self._message

    def code(self):
        return self._code


class InferenceRequest:
    def __init__(self, inputs=(), parameters=None, cancelled=False):
        self._inputs = [Tensor(name, array) for name, array in dict(inputs).items()]
        self._parameters, self._cancelled = json.dumps(parameters or {}), cancelled

    def inputs(self):
        return self._inputs

    def parameters(self):
        return self._parameters

    def is_cancelled(self):
        return self._cancelled


class InferenceResponse:
    def __init__(self, output_tensors=(), error=None, parameters=None):
        self._outputs, self._error = list(output_tensors), error
        self._parameters = json.dumps(parameters or {})

    def output_tensors(self):
        return self._outputs

    def parameters(self):
        return self._parameters

    def has_error(self):
        return self._error is not None

    def error(self):
        return self._error
